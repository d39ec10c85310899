"""kill -9 at moments drawn at random: nothing that was finished is lost, and the end is that of a run left in peace.

``benchmarks/kills.py`` has as many as are asked for, at every stage of a sweep.
"""

import json
import random
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline_core.store.artifacts import Store
from pipeline_core.store.diff import diff_runs
from pipeline_core.store.journal import read_runs
from pipeline_core.store.manifest import MANIFEST
from tests.command import LENS, wait_for

pytestmark = pytest.mark.long

KILLS, LONGEST = 4, 3.0


def started(config: Path, store: Path) -> "subprocess.Popen[str]":
    command = [*LENS, "run", "--runner", "inline", "--config", str(config), "--store", str(store)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finished(store: Path) -> dict[Path, bytes]:
    """Return what tells which artifacts are there, and from what and when each was built."""
    return {path: path.read_bytes() for path in store.glob(f"*/[0-9a-f]*/{MANIFEST}")}


def test_a_run_that_is_killed_again_and_again_ends_like_any_other(inline_store: Path, tmp_path: Path) -> None:
    (whole, *_) = read_runs(inline_store)
    config, store, drawn = tmp_path / "config.json", tmp_path / "store", random.Random(0)
    config.write_text(json.dumps(whole.config))
    there: dict[Path, bytes] = {}
    for kill in range(KILLS):
        process = started(config, store)
        wait_for(process, lambda: (store / "runs").is_dir() and len(read_runs(store)) > kill)  # noqa: B023
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=drawn.uniform(0.0, LONGEST))
        process.kill()
        process.communicate()
        found = finished(store)
        assert {path: found.get(path) for path in there} == there
        there = found
    process = started(config, store)
    printed = process.communicate(timeout=240)[0]
    assert process.returncode == 0, printed
    ended = finished(store)
    assert {path: ended.get(path) for path in there} == there
    assert "running" not in {run.state for run in read_runs(store)}
    assert Store(store).verify() == []
    assert not list(store.glob("*/.partial-*"))
    last = store / "runs" / f"{read_runs(store)[-1].run_id}.json"
    assert diff_runs(inline_store, whole.run_id, str(last)) == []
