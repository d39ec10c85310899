"""kill -9 in the middle of extraction and of SAE training: the next run resumes, and nothing differs."""

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_core.store.diff import diff_runs
from pipeline_core.store.journal import read_runs
from tests.command import LENS, wait_for
from tests.shared import ends
from tests.small import SMALL, picture_folder

pytestmark = pytest.mark.long


def start(pictures: Path, store: Path) -> "subprocess.Popen[str]":
    values = ("dataset.name=folder", f"dataset.path={pictures}", *SMALL, "compare_with=[]", "sae.epochs=20")
    arguments = [word for value in values for word in ("--set", value)]
    command = [*LENS, "run", *arguments, "--store", str(store)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def finish(process: "subprocess.Popen[str]") -> str:
    out = process.communicate(timeout=900)[0]
    assert process.returncode == 0, out
    return out


def server_of(process: "subprocess.Popen[str]") -> int:
    """Return the number of the temporary server's process."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (server,) = [child for child in children if b"uvicorn" in Path(f"/proc/{child}/cmdline").read_bytes()]
    return int(server)


def kill_when(process: "subprocess.Popen[str]", reached: Callable[[], bool]) -> None:
    """Kill the whole process group as soon as ``reached`` says so."""
    wait_for(process, reached)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


def newest_record(store: Path) -> str:
    return str(store / "runs" / f"{read_runs(store)[-1].run_id}.json")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return picture_folder(tmp_path_factory.mktemp("data") / "pictures")


@pytest.fixture(scope="module")
def whole(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a run that nothing interrupted."""
    store = tmp_path_factory.mktemp("whole") / "store"
    finish(start(pictures, store))
    return store


@pytest.mark.parametrize(
    ("stage", "pattern", "least"), [("activations", "embeddings/*.parquet", 2), ("sae", "checkpoint*", 1)]
)
def test_a_killed_run_resumes_and_nothing_differs(
    pictures: Path, whole: Path, tmp_path: Path, stage: str, pattern: str, least: int
) -> None:
    store = tmp_path / "store"
    victim = start(pictures, store)
    kill_when(victim, lambda: len(list(store.glob(f"{stage}/.partial-*/{pattern}"))) >= least)
    # Autoencoders that learn on one stream have a folder each.
    assert len(list(store.glob(f"{stage}/.partial-*"))) in ((1, 2) if stage == "sae" else (1,))
    kept = {p: p.stat().st_mtime_ns for p in store.glob(f"{stage}/.partial-*/embeddings/*.parquet")}
    finish(start(pictures, store))
    for part, modified in kept.items():
        published = Path(re.sub(r"/\.partial-", "/", str(part)))
        assert published.stat().st_mtime_ns == modified, "a finished shard was written again"
    assert diff_runs(store, newest_record(store), newest_record(whole)) == []


def test_a_run_outlives_its_server(pictures: Path, whole: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run = start(pictures, store)
    wait_for(run, lambda: bool(list(store.glob("sae/.partial-*/checkpoint*"))))
    os.kill(server_of(run), signal.SIGKILL)
    printed = finish(run)
    assert printed.count("lens: ") == 1
    assert "lens: the Prefect server is gone; the run goes on without one" in printed
    assert "Traceback" not in printed
    assert [run.state for run in read_runs(store)] == ["failed", "completed"]
    assert diff_runs(store, newest_record(store), newest_record(whole)) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_run_leaves_no_server(pictures: Path, tmp_path: Path, number: signal.Signals) -> None:
    store = tmp_path / "store"
    run = start(pictures, store)
    wait_for(run, lambda: bool(list(store.glob("sae/.partial-*/checkpoint*"))))
    server = server_of(run)
    run.send_signal(number)
    # The server holds the pipe as well: its end is waited for too.
    printed = run.communicate(timeout=20)[0]
    assert ("lens: stopped; " in printed) is (number != signal.SIGKILL)
    assert "Traceback" not in printed
    assert ends(server)
    finish(start(pictures, store))
