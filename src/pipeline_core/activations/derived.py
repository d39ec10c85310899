"""Representations that are worked out from stored ones: means over tokens add up, each by the tokens that it pools."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_core.activations.spilled import Room, space_for
from pipeline_core.activations.vectors import VectorBlocks, load_embeddings
from pipeline_core.schema.parquet import table_files

NO_WORDS = "no_words"
"""The mask that leaves out all of the user's text, the sample's own words and the instruction."""

WORDLESS = {"all": 1, "no_image": -1, "no_prompt": 1, "content": -1}
"""Stored masks whose tokens, each with its sign, add up to those without words: the picture's and the template's."""


def load_without_words(activations: Path, rep_ids: Mapping[str, str], room: Room | None = None) -> VectorBlocks:
    """Work out the mean over all tokens but the user's text, float32; a sample of words alone keeps its template.

    With sums over tokens, image = all - no_image and template = no_prompt - content. A sample without either keeps all
    of its tokens, as under any mask that would leave none.

    Args:
        activations: artifact with the embeddings.
        rep_ids: the stored mean by each mask of ``WORDLESS``, of one layer.
        room: what may be held of each; None: all of it.

    Raises:
        StoreError: the artifact has no such representation.
    """
    stored = {mask: load_embeddings(activations, rep_ids[mask], room) for mask in WORDLESS}
    counts = {mask: _token_counts(activations, own) for mask, own in stored.items()}
    whole, left = stored["all"], np.sum([sign * counts[mask] for mask, sign in WORDLESS.items()], axis=0)
    vectors, start = space_for((len(whole), whole.width), room), 0
    for blocks in zip(*(own.blocks() for own in stored.values()), strict=True):
        rows = slice(start, start + len(blocks[0]))
        parts = zip(WORDLESS.items(), blocks, strict=True)
        total = sum(sign * counts[mask][rows, None] * block.astype(np.float64) for (mask, sign), block in parts)
        some = left[rows, None] > 0
        means = np.where(some, total / np.where(some, left[rows, None], 1), blocks[0])
        vectors[rows] = means.astype(np.float32)
        start = rows.stop
    return VectorBlocks(f"{whole.rep_id}, {NO_WORDS}", whole.labels, vectors)


def _token_counts(activations: Path, of: VectorBlocks) -> npt.NDArray[np.int64]:
    """Return the number of tokens pooled in each row of a representation."""
    columns = ["sample_id", "prompt_id", "n_tokens"]
    table = pa.concat_tables(
        pq.read_table(file, columns=columns, filters=pc.field("rep_id") == of.rep_id)
        for file in table_files(activations, "embeddings")
    )
    counted = of.labels.join(pl.DataFrame(table), on=["sample_id", "prompt_id"], how="left", maintain_order="left")
    return counted["n_tokens"].to_numpy().astype(np.int64)
