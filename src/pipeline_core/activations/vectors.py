"""Embeddings, sparse codes and SAE dictionaries, read from artifacts into the arrays that the formulas work on."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from safetensors.numpy import load_file
from scipy import sparse

from pipeline_core.errors import StoreError
from pipeline_core.schema.parquet import read_table, table_files

Matrix = npt.NDArray[np.float32]

SAE_WEIGHTS = "sae_weights.safetensors"
SAE_CONFIG = "cfg.json"


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of one representation: row n of ``vectors`` [n, d] belongs to (sample_ids[n], prompt_ids[n])."""

    rep_id: str
    sample_ids: tuple[str, ...]
    prompt_ids: tuple[str, ...]
    vectors: Matrix

    @cached_property
    def _row(self) -> dict[tuple[str, str], int]:
        return {key: n for n, key in enumerate(zip(self.sample_ids, self.prompt_ids, strict=True))}

    def take(self, sample_ids: Sequence[str], prompt_id: str) -> Matrix:
        """Return the vectors [len(sample_ids), d] of samples under one prompt.

        A dual encoder knows no prompts: its rows answer to every prompt.

        Raises:
            StoreError: a sample was not embedded under that prompt.
        """
        return self.vectors[self.rows(sample_ids, prompt_id)]

    def rows(self, sample_ids: Sequence[str], prompt_id: str) -> npt.NDArray[np.int64]:
        """Return the row numbers of samples under one prompt; errors as in ``take``."""
        row = self._row
        prompt = "none" if "none" in self.prompt_ids[:1] else prompt_id
        try:
            return np.array([row[sample, prompt] for sample in sample_ids], dtype=np.int64)
        except KeyError as error:
            raise StoreError(f"no embedding of (sample, prompt) {error}", "run the activations stage again") from None


@dataclass(frozen=True)
class Codes:
    """Sparse codes [n, c] in CSR form; row n belongs to (sample_ids[n], prompt_ids[n])."""

    sae_id: str
    rep_id: str
    sample_ids: tuple[str, ...]
    prompt_ids: tuple[str, ...]
    matrix: sparse.csr_matrix


def representations(activations: Path) -> pl.DataFrame:
    """Return the table ``representations`` of an activations artifact."""
    return read_table(activations, "representations")


def analysis_representation(activations: Path, pooling: str = "mean", mask: str = "all") -> str:
    """Return the rep_id of a pooling and mask at the analysis layer; a dual encoder has one representation."""
    at_layer = representations(activations).filter(pl.col("at_analysis_layer"))
    if at_layer.height > 1:
        at_layer = at_layer.filter(pooling=pooling, mask=mask)
    return str(at_layer["rep_id"].item())


def load_embeddings(activations: Path, rep_id: str | None = None) -> Embeddings:
    """Read the embeddings of one representation, ordered by (sample_id, prompt_id).

    Without ``rep_id`` it is the analysis layer's mean over all tokens, the paper's embedding.

    Raises:
        StoreError: the artifact has no such representation.
    """
    wanted = rep_id or analysis_representation(activations)
    parts = [
        pq.read_table(file, filters=pc.field("rep_id") == wanted) for file in table_files(activations, "embeddings")
    ]
    table = pa.concat_tables(parts).sort_by([("sample_id", "ascending"), ("prompt_id", "ascending")]).combine_chunks()
    if table.num_rows == 0:
        known = ", ".join(sorted(representations(activations)["rep_id"].to_list()))
        raise StoreError(f"there is no representation {wanted!r}", f"known: {known}")
    vectors = table.column("vector").combine_chunks().flatten().to_numpy().reshape(table.num_rows, -1)
    samples, prompts = (tuple(table.column(name).to_pylist()) for name in ("sample_id", "prompt_id"))
    return Embeddings(wanted, samples, prompts, vectors)


def embedding_width(activations: Path) -> int:
    """Return the width d of an activations artifact's embeddings."""
    file = next(iter(table_files(activations, "embeddings")))
    return len(next(pq.ParquetFile(file).iter_batches(1, columns=["vector"])).column("vector")[0])


def load_codes(codes: Path, n_features: int) -> Codes:
    """Read the pooled codes of a codes artifact as a CSR matrix [n, n_features], float64."""
    frame = read_table(codes, "codes").filter(pl.col("level") == "pooled").sort("sample_id", "prompt_id")
    lengths = frame["features"].list.len().to_numpy()
    matrix = sparse.csr_matrix(
        (
            frame["values"].list.explode(keep_nulls=False, empty_as_null=False).to_numpy().astype(np.float64),
            frame["features"].list.explode(keep_nulls=False, empty_as_null=False).to_numpy().astype(np.int64),
            np.concatenate([[0], np.cumsum(lengths)]),
        ),
        shape=(frame.height, n_features),
    )
    return Codes(
        str(frame["sae_id"][0]), str(frame["rep_id"][0]), tuple(frame["sample_id"]), tuple(frame["prompt_id"]), matrix
    )


def load_dictionary(sae: Path) -> Matrix:
    """Read the dictionary D [c, d] of an SAE artifact (SAELens's ``W_dec``)."""
    return np.asarray(load_file(sae / SAE_WEIGHTS)["W_dec"], dtype=np.float32)


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
