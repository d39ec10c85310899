"""Twenty connections in four processes ask five times a second during ten publishes: no error, no partial read."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Event
from pathlib import Path
from threading import Event as Pace

import duckdb
import pytest

from pipeline_core.store.artifacts import Store
from pipeline_core.warehouse.build import build_warehouse
from pipeline_core.warehouse.current import current_warehouse
from pipeline_core.warehouse.query import query
from tests.warehouse.conftest import BUILT, run_all

pytestmark = pytest.mark.long

PROCESSES, CONNECTIONS, SECONDS, PUBLISHES = 4, 5, 0.2, 10
ASKED = "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM run_artifacts), (SELECT count(*) FROM embeddings)"


def ask_until(root: Path, over: Event) -> int:
    """Ask in turn as ``lens sql`` and as a client of DuckDB's own; return how often."""
    asked, runs, embeddings = 0, 0, set[int]()
    pace = Pace()
    while not over.is_set():
        if asked % 2:
            with duckdb.connect(current_warehouse(root), read_only=True) as connection:
                row = connection.execute(ASKED).fetchone()
        else:
            (row,) = query(root, ASKED).rows
        assert row is not None
        now, artifacts, n = row
        assert now >= runs, "a version before the last one was read"
        assert artifacts == now * (len(BUILT) + 1), "part of a run was read"
        runs, asked = now, asked + 1
        embeddings.add(n)
        pace.wait(SECONDS)
    assert len(embeddings) == 1
    return asked


def read(root: Path, over: Event, counts: "multiprocessing.SimpleQueue[int]") -> None:
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        jobs = [threads.submit(ask_until, root, over) for _ in range(CONNECTIONS)]
    counts.put(sum(job.result() for job in jobs))


def test_readers_see_whole_versions_while_others_are_published(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    run_all(store)
    build_warehouse(store.root)
    context = multiprocessing.get_context("spawn")
    over, counts = context.Event(), context.SimpleQueue()
    readers = [context.Process(target=read, args=(store.root, over, counts)) for _ in range(PROCESSES)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(PUBLISHES):
            run_all(store)
            build_warehouse(store.root)
    finally:
        over.set()
    for reader in readers:
        reader.join(120)
    assert [reader.exitcode for reader in readers] == [0] * PROCESSES
    assert sum(counts.get() for _ in readers) >= PROCESSES * CONNECTIONS * PUBLISHES
