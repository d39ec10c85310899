"""What files of tables take, and what becomes of rows that are no table, beside files that were written."""

import errno
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_core.schema.parquet import ROW_GROUP, read_table, scan_table, stored_halves, write_aside, write_table
from tests.shared import no_more_files


@pytest.mark.parametrize(("rows", "width"), [(400, 64), (600, 512), (2048, 576)])
def test_embeddings_take_what_their_numbers_do(rows: int, width: int, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
    names = [f"s{row:05d}" for row in range(rows)]
    columns = {"rep_id": ["r"] * rows, "sample_id": names, "prompt_id": ["p"] * rows, "n_tokens": [1] * rows}
    write_table(tmp_path, "embeddings", pa.table({**columns, "vector": vectors.tolist()}), 0)
    file = tmp_path / "embeddings" / "00000.parquet"
    assert file.stat().st_size == pytest.approx(vectors.nbytes, rel=0.1)
    written = {column["path_in_schema"]: column for column in pq.read_metadata(file).row_group(0).to_dict()["columns"]}
    assert not written["vector.list.element"]["has_dictionary_page"]
    assert written["sample_id"]["compression"] == "ZSTD"


def test_what_token_states_take_is_known_before_they_are_written(tmp_path: Path) -> None:
    rows, width = 400, 64
    states = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float16)
    lists = pa.ListArray.from_arrays(np.arange(rows + 1, dtype=np.int32) * width, pa.array(states.reshape(-1)))
    columns = {"sample_id": ["s"] * rows, "prompt_id": ["p"] * rows, "token_index": np.arange(rows, dtype=np.int32)}
    columns |= {"token_role": ["text"] * rows, "vector": lists, "scale": np.ones(rows, dtype=np.float32)}
    write_table(tmp_path, "tokens", pa.table(columns), 0)
    told = stored_halves(rows * width, min(rows, ROW_GROUP) * width)
    assert (tmp_path / "tokens" / "00000.parquet").stat().st_size == pytest.approx(told, rel=0.1)


def test_of_a_full_disk_rows_that_are_no_table_say_so(tmp_path: Path) -> None:
    full = tmp_path / "rows.parquet"  # a link, since pyarrow removes what it could not write
    full.symlink_to("/dev/full")
    with pytest.raises(OSError) as raised:
        write_aside(full, pl.DataFrame({"n": [1]}))
    assert raised.value.errno == errno.ENOSPC


def test_rows_that_are_no_table_come_back(tmp_path: Path) -> None:
    rows = pl.DataFrame({"n": [1, None], "text": ["é", None], "many": [[0.5], []]})
    write_aside(tmp_path / "rows.parquet", rows)
    assert pl.read_parquet(tmp_path / "rows.parquet").equals(rows)


def test_a_file_too_many_is_no_damage_of_a_table(tmp_path: Path) -> None:
    write_table(tmp_path, "prompts", pl.DataFrame({"prompt_id": ["p"], "text": ["Look."]}))
    for read in (read_table, scan_table):
        read(tmp_path, "prompts")  # libraries start threads the first time
        with no_more_files(), pytest.raises(OSError, match="Too many open files"):
            read(tmp_path, "prompts")
