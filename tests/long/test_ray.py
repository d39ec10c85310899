"""A local Ray cluster of two processes, one of them killed in extraction and one in search: nothing differs."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import psutil
import pytest

from flows.inline import InlineRunner
from flows.running import run_plan
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.store.diff import diff_runs
from pipeline_core.store.journal import read_runs
from tests.command import LENS
from tests.shared import command_line
from tests.small import picture_folder, small_config

pytestmark = pytest.mark.long

SETTINGS = ("model.name=reference-contrastive", "compare_with=[]", "scoring.bootstrap=4000")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return picture_folder(tmp_path_factory.mktemp("data") / "pictures")


@pytest.fixture(scope="module")
def whole(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The record of a run in one process."""
    store = tmp_path_factory.mktemp("whole") / "store"
    run = run_plan("analyze", plan_analysis(small_config(pictures, *SETTINGS)), store, InlineRunner())
    return str(store / "runs" / f"{run.run_id}.json")


@pytest.fixture
def short() -> Iterator[str]:
    """A folder for the sockets of Ray, whose paths must be short."""
    with TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        yield folder


def start(pictures: Path, store: Path, short: str) -> "subprocess.Popen[str]":
    config = small_config(pictures, *SETTINGS, "placement.workers=2")
    given = store.with_suffix(".json")
    given.write_text(config.model_dump_json(by_alias=True))
    command = [*LENS, "run", "--config", str(given)]
    return subprocess.Popen(
        [*command, "--runner", "ray", "--store", str(store)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"RAY_TMPDIR": short},
    )


def working_at(run: psutil.Process, task: str) -> list[psutil.Process]:
    """Return the processes of a run's cluster that are at a task: Ray has them called so."""
    return [child for child in run.children(recursive=True) if command_line(child).startswith(f"ray::{task}")]


def kill_one(process: "subprocess.Popen[str]", task: str) -> None:
    """Kill a worker as soon as one is at a task."""
    run, tick = psutil.Process(process.pid), Event()
    while not (found := working_at(run, task)):
        assert process.poll() is None, f"the run ended before a worker could be killed: {process.communicate()[0]}"
        tick.wait(0.005)
    found[0].kill()


def test_workers_are_lost_and_nothing_differs(pictures: Path, whole: str, tmp_path: Path, short: str) -> None:
    store = tmp_path / "store"
    run = start(pictures, store, short)
    for stage in ("activations", "retrieval"):
        kill_one(run, f"{stage}, part")
    printed = run.communicate(timeout=600)[0]
    assert run.returncode == 0, printed
    assert "Traceback" not in printed
    (record,) = read_runs(store)
    assert {artifact.cached for artifact in record.artifacts} == {False}
    assert diff_runs(store, record.run_id, whole) == []
    assert not list(store.glob("*/.partial-*"))
