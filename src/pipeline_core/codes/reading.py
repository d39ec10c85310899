"""Stored sparse codes, read into the matrix that feature statistics work on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy import sparse

from pipeline_core.schema.parquet import read_table


@dataclass(frozen=True)
class Codes:
    """Sparse codes [n, c] in CSR form; row n belongs to (sample_ids[n], prompt_ids[n])."""

    sae_id: str
    rep_id: str
    sample_ids: tuple[str, ...]
    prompt_ids: tuple[str, ...]
    matrix: sparse.csr_matrix


def load_codes(codes: Path, n_features: int) -> Codes:
    """Read the pooled codes of a codes artifact as a CSR matrix [n, n_features], float64."""
    frame = read_table(codes, "codes").filter(pl.col("level") == "pooled").sort("sample_id", "prompt_id")
    lengths = frame["features"].list.len().to_numpy()
    matrix = sparse.csr_matrix(
        (
            frame["values"].list.explode(keep_nulls=False, empty_as_null=False).to_numpy().astype(np.float64),
            frame["features"].list.explode(keep_nulls=False, empty_as_null=False).to_numpy().astype(np.int32),
            np.concatenate([[0], np.cumsum(lengths)]),
        ),
        shape=(frame.height, n_features),
    )
    return Codes(
        str(frame["sae_id"][0]), str(frame["rep_id"][0]), tuple(frame["sample_id"]), tuple(frame["prompt_id"]), matrix
    )
