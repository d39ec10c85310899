"""Small artifacts for the tests of autoencoders: token states, embeddings, samples."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from pipeline_core.schema.parquet import write_table
from tests.sae.artifacts import N_TOKENS, PROMPTS, REPRESENTATION, lists, modality_of_rows, sparse_states, write_tokens


@pytest.fixture(scope="session")
def activations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("activations")
    states = sparse_states(N_TOKENS, seed=1)
    write_tokens(folder, states[:600], 0)
    write_tokens(folder, states[600:], 1, scale=4.0)
    write_table(folder, "representations", pl.DataFrame([REPRESENTATION]))
    embeddings = sparse_states(30, seed=2)
    modalities = modality_of_rows()
    table = pa.table(
        {
            "rep_id": [REPRESENTATION["rep_id"]] * 30,
            "sample_id": [f"s{i:02d}" for i in range(30)],
            "prompt_id": [PROMPTS[modality] for modality in modalities],
            "n_tokens": [7] * 30,
            "vector": lists(embeddings, pa.float32()),
        }
    )
    write_table(folder, "embeddings", table, 0)
    return folder


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    samples = pl.DataFrame({"sample_id": [f"s{i:02d}" for i in range(30)], "modality": modality_of_rows()})
    nothing = {name: pl.lit(None, kind) for name, kind in (("text", pl.String), ("image_ref", pl.String))}
    sizes = {"sha256": pl.lit(None, pl.String), "width": pl.lit(None, pl.Int32), "height": pl.lit(None, pl.Int32)}
    rest = {"group": pl.col("sample_id"), "split": pl.lit("train")}
    write_table(folder, "samples", samples.with_columns(**nothing, **sizes, **rest))
    return folder
