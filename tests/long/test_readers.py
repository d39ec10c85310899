"""Twenty connections in four processes ask five times a second during ten publishes: no error, no partial read."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.sharedctypes import SynchronizedArray
from multiprocessing.synchronize import Event
from pathlib import Path
from threading import Event as Pace
from typing import Any

import duckdb
import pytest

from pipeline_core.store.artifacts import Store
from pipeline_core.warehouse.build import build_warehouse
from pipeline_core.warehouse.current import current_warehouse
from pipeline_core.warehouse.query import query
from tests.warehouse.conftest import BUILT, run_all

pytestmark = pytest.mark.long

PROCESSES, CONNECTIONS, A_SECOND, PUBLISHES = 4, 5, 5, 10
ASKED = "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM run_artifacts), (SELECT count(*) FROM embeddings)"

KEPT = 3
"""Questions over one connection."""

Row = tuple[int, int, int]


def asking(root: Path) -> Iterator[Callable[[], Row | Any]]:
    """Ask as ``lens sql`` does, then, over a connection that is kept while others publish, as a client of DuckDB's."""
    while True:
        yield lambda: query(root, ASKED).rows[0]
        with duckdb.connect(current_warehouse(root), read_only=True) as kept:
            for _ in range(KEPT):
                yield lambda: kept.execute(ASKED).fetchone()


def ask_until(root: Path, over: Event, counts: "SynchronizedArray[int]", own: int) -> None:
    """Ask at an even pace, and count."""
    runs, embeddings = 0, set[int]()
    pace, begun = Pace(), time.monotonic()
    for asked, ask in enumerate(asking(root), 1):
        now, artifacts, n = ask()
        assert now >= runs, "a version before the last one was read"
        fresh = asked % (1 + KEPT) in (1, 2)
        assert fresh or now == runs, "a version changed while it was read"
        assert artifacts == now * (len(BUILT) + 1), "part of a run was read"
        runs, counts[own] = now, asked
        embeddings.add(n)
        if over.is_set():
            break
        pace.wait(begun + asked / A_SECOND - time.monotonic())
    assert len(embeddings) == 1
    assert runs == PUBLISHES + 1, "the last version was not seen"


def read(root: Path, over: Event, counts: "SynchronizedArray[int]", process: int) -> None:
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        numbers = range(process * CONNECTIONS, (process + 1) * CONNECTIONS)
        jobs = [threads.submit(ask_until, root, over, counts, number) for number in numbers]
    for job in jobs:
        job.result()


def test_readers_see_whole_versions_while_others_are_published(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    run_all(store)
    build_warehouse(store.root)
    context = multiprocessing.get_context("spawn")
    over, counts = context.Event(), context.Array("i", PROCESSES * CONNECTIONS)
    readers = [context.Process(target=read, args=(store.root, over, counts, number)) for number in range(PROCESSES)]
    for reader in readers:
        reader.start()
    tick = Pace()
    try:
        for _ in range(PUBLISHES):
            run_all(store)
            build_warehouse(store.root)
            # Each connection asks for a second between two publishes, and all the while during them.
            before = list(counts)
            while any(now < was + A_SECOND for now, was in zip(counts, before, strict=True)):
                assert all(reader.is_alive() for reader in readers)
                tick.wait(0.05)
    finally:
        over.set()
    for reader in readers:
        reader.join(120)
    assert [reader.exitcode for reader in readers] == [0] * PROCESSES
