"""Tables of a data set are written a batch at a time, in the order of their keys, whatever the order of its parts."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline_core.dataset import tables
from pipeline_core.dataset.places import Place
from pipeline_core.dataset.screening import Picture
from pipeline_core.dataset.tables import Dataset
from pipeline_core.dataset.tasks import Query, Sample, task_between
from pipeline_core.schema import tables_of

N = 7


def scattered(root: Path) -> Dataset:
    """Pictures and texts in no order, searched by split, and by all."""
    picture = Picture(Place(root / "a.png"), "0" * 64, 2, 3, "look")
    samples = [Sample(f"image:{n}", None, picture, f"g{n}", "test") for n in range(N)]
    samples += [Sample(f"text:{n}", f"text {n}", None, f"g{n}", "test") for n in range(N)]
    backwards = tuple(reversed(range(N)))
    queries = tuple(
        Query(f"text:{n}", f"text:{n}", "test", {f"image:{m}": 1 for m in (n, 0)}, frozenset({f"image:{(n + 1) % N}"}))
        for n in backwards
    )
    pool = tuple(f"image:{n}" for n in backwards)
    by_split = task_between("t2i", "z", "One.", queries, {"test": pool, "support": pool[:3]})
    by_all = task_between("t2i", "a", "Another.", queries, {None: pool, "test": pool[2:]})
    pairs = tuple((f"image:{n}", f"text:{n}") for n in backwards)
    return Dataset(tuple(samples[::-1]), pairs, (by_split, by_all), (), root)


@pytest.mark.parametrize("batch", [3, 8192])
def test_rows_come_in_the_order_of_their_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP", batch)
    scattered(tmp_path).write(tmp_path)
    counts = {}
    for table in tables_of("dataset"):
        written = pq.read_table(tmp_path / table.file_name)
        assert written.equals(written.sort_by([(key, "ascending") for key in table.key])), table.name
        counts[table.name] = written.num_rows
    assert counts["samples"] == 2 * N and counts["pairs"] == N and counts["tasks"] == 2
    assert counts["queries"] == counts["exclusions"] == 2 * N
    assert counts["qrels"] == 2 * (2 * N - 1)
    assert counts["candidates"] == (N + 3) + (N + N - 2)
    candidates = pq.read_table(tmp_path / "candidates.parquet").to_pylist()
    assert [row["split"] for row in candidates if row["pool_id"] == "a"] == ["test"] * (N - 2) + [None] * N
