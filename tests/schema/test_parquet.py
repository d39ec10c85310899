"""How many bytes random numbers take in the files of tables, beside files that were written."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline_core.schema.parquet import EMBEDDING_ROW_GROUP, stored_bytes, write_table


@pytest.mark.parametrize(("rows", "width"), [(400, 64), (600, 512), (2048, 576)])
def test_what_vectors_take_is_known_before_they_are_written(rows: int, width: int, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
    names = [f"s{row:05d}" for row in range(rows)]
    columns = {"rep_id": ["r"] * rows, "sample_id": names, "prompt_id": ["p"] * rows, "n_tokens": [1] * rows}
    write_table(tmp_path, "embeddings", pa.table({**columns, "vector": vectors.tolist()}), 0)
    told = stored_bytes(rows * width, 4, min(rows, EMBEDDING_ROW_GROUP) * width)
    assert (tmp_path / "embeddings" / "00000.parquet").stat().st_size == pytest.approx(told, rel=0.1)
