"""A benchmark that does not fit the memory of its database says so, whoever was reading from it."""

from pathlib import Path

import pytest

from pipeline_core.dataset.benchmark.staging import Staging, Wanted
from pipeline_core.errors import DataError

LAST_IS_LONG = "create view rows as select i, repeat('x', if(i = 50000, 10000000, 9)) from range(50001) t(i)"
"""Too long for the memory, and not met before a reader of the rows is open."""


@pytest.mark.parametrize("reads", ["Arrow", "the database"])
def test_a_full_memory_is_told_as_what_it_is(tmp_path: Path, reads: str) -> None:
    def read_all() -> None:
        with Staging(tmp_path, tmp_path / "data", Wanted(0, None, None, "draw")) as staging:
            staging.database.execute("set memory_limit = '10MB'")
            staging.database.execute(LAST_IS_LONG)
            rows = staging.database.sql("from rows")
            if reads == "Arrow":
                list(rows.to_arrow_reader(8192))
            rows.fetchall()

    with pytest.raises(DataError, match=r"^the data set .*/data does not fit \d+ MB of memory, or the disk: Out of"):
        read_all()
    assert list(tmp_path.iterdir()) == []
