"""Embeddings and token states, read from artifacts into the arrays that the formulas work on."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_core.errors import StoreError
from pipeline_core.schema.parquet import read_table, table_files

Matrix = npt.NDArray[np.float32]


PLAIN_PROMPT = "none"
"""Prompt id of dual encoders, which know no prompts."""


@dataclass(frozen=True)
class VectorBlocks:
    """Embeddings of one representation, by row: rows are numbered in ascending order of (sample_id, prompt_id).

    Attributes:
        rep_id: the representation.
        labels: columns row, sample_id and prompt_id, by row.
    """

    rep_id: str
    labels: pl.DataFrame
    _stored: Matrix
    """Vectors [n, d] as they lie in the artifact."""
    _places: npt.NDArray[np.int64]
    """Where in ``_stored`` each row lies [n]."""

    def __len__(self) -> int:
        return len(self._stored)

    @property
    def width(self) -> int:
        """Dimensions d of a vector."""
        return int(self._stored.shape[1])

    @property
    def plain(self) -> bool:
        """Whether the model knows no prompts: its rows answer to every prompt."""
        return bool(self.labels["prompt_id"][0] == PLAIN_PROMPT)

    def take(self, rows: npt.NDArray[np.int64]) -> Matrix:
        """Return the vectors [len(rows), d] of rows."""
        return self._stored[self._places[rows]]

    def blocks(self, size: int = 8192) -> Iterator[Matrix]:
        """Yield all vectors in order of row, at most ``size`` at a time."""
        for start in range(0, len(self), size):
            yield self._stored[self._places[start : start + size]]

    def embedded(self, asked: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of a table (sample_id, prompt_id, ...) that have an embedding: a model may refuse some."""
        key = ["sample_id"] if self.plain else ["sample_id", "prompt_id"]
        return asked.join(self.labels, on=key, how="semi", maintain_order="left")

    def rows_of(self, sample_ids: Sequence[str], prompt_ids: Sequence[str] | str) -> npt.NDArray[np.int64]:
        """Return the rows of samples, each under its prompt or all under one.

        Raises:
            StoreError: a sample was not embedded under its prompt.
        """
        prompts = pl.lit(prompt_ids) if isinstance(prompt_ids, str) else pl.Series(prompt_ids, dtype=pl.String)
        asked = pl.DataFrame({"sample_id": sample_ids}, schema={"sample_id": pl.String}).with_columns(
            prompt_id=pl.lit(PLAIN_PROMPT) if self.plain else prompts
        )
        found = asked.join(self.labels, on=["sample_id", "prompt_id"], how="left", maintain_order="left")
        missing = found.filter(pl.col("row").is_null())
        if missing.height:
            key = missing.select("sample_id", "prompt_id").row(0)
            raise StoreError(f"no embedding of (sample, prompt) {key}", "run the activations stage again")
        return found["row"].to_numpy()


def representations(activations: Path) -> pl.DataFrame:
    """Return the table ``representations`` of an activations artifact."""
    return read_table(activations, "representations")


def analysis_representation(activations: Path, pooling: str = "mean", mask: str = "all") -> str:
    """Return the rep_id of a pooling and mask at the analysis layer; a dual encoder has one representation."""
    at_layer = representations(activations).filter(pl.col("at_analysis_layer"))
    if at_layer.height > 1:
        at_layer = at_layer.filter(pooling=pooling, mask=mask)
    return str(at_layer["rep_id"].item())


def load_embeddings(activations: Path, rep_id: str | None = None) -> VectorBlocks:
    """Open the embeddings of one representation.

    Without ``rep_id`` it is the analysis layer's mean over all tokens, the paper's embedding.

    Raises:
        StoreError: the artifact has no such representation.
    """
    wanted = rep_id or analysis_representation(activations)
    columns = ["sample_id", "prompt_id", "vector"]
    table = pa.concat_tables(
        pq.read_table(file, columns=columns, filters=pc.field("rep_id") == wanted)
        for file in table_files(activations, "embeddings")
    )
    if table.num_rows == 0:
        known = ", ".join(sorted(representations(activations)["rep_id"].to_list()))
        raise StoreError(f"there is no representation {wanted!r}", f"known: {known}")
    stored = table.column("vector").combine_chunks().flatten().to_numpy().reshape(table.num_rows, -1)
    labels = pl.DataFrame(table.drop_columns("vector")).with_columns(place=pl.int_range(pl.len(), dtype=pl.Int64))
    ordered = labels.sort("sample_id", "prompt_id").with_columns(row=pl.int_range(pl.len(), dtype=pl.Int64))
    return VectorBlocks(wanted, ordered.select("row", "sample_id", "prompt_id"), stored, ordered["place"].to_numpy())


def embedding_width(activations: Path) -> int:
    """Return the width d of an activations artifact's embeddings."""
    # All samples of a shard may have been refused.
    files = table_files(activations, "embeddings")
    batches = (batch for file in files for batch in pq.ParquetFile(file).iter_batches(1, columns=["vector"]))
    return len(next(batches).column("vector")[0])


def token_batches(activations: Path, batch_size: int = 65536) -> Iterator[Matrix]:
    """Yield token states [<= batch_size, d] as float32, scale restored, in stored order."""
    for file in table_files(activations, "tokens"):
        for batch in pq.ParquetFile(file).iter_batches(batch_size, columns=["vector", "scale"]):
            vectors = batch.column("vector").flatten().to_numpy().reshape(batch.num_rows, -1).astype(np.float32)
            yield vectors * batch.column("scale").to_numpy()[:, None]


def top_count(share: float, n: int) -> int:
    """Return ceil(share * n), the size of the top share of n features.

    Rounded first: 0.07 of 10,000 is 700, although 0.07 * 10,000 is a little above it in floats.
    """
    return math.ceil(round(share * n, 9))
