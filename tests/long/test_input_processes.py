"""Processes that prepare inputs, and the one that asks: either may be killed at any time."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.activations.conftest import write_data_set
from tests.activations.running import contents, run
from tests.activations.test_processes import processes_for
from tests.models import tiny

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def dataset_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data_set(tmp_path_factory.mktemp("dataset"))


def test_processes_that_are_killed_are_told_of_once_and_lose_nothing(
    dataset_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    embedder = tiny.load(tiny.save_llava(tmp_path / "model"))
    run(embedder, dataset_folder, tmp_path / "here")
    started = processes_for(embedder)

    def kill(done: int, _: int) -> None:
        for child in psutil.Process().children():
            if child.status() != psutil.STATUS_ZOMBIE and "LokyProcess" in " ".join(child.cmdline()):
                child.kill()

    run(embedder, dataset_folder, tmp_path / "there", progress=kill, processes=started)
    started.close()
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(
        f"The processes that prepare inputs for {embedder.facts.name} failed (one of them was ended"
    )


SCRIPT = """
import signal
import sys
from pathlib import Path

from tests.activations.running import run
from tests.activations.test_processes import processes_for
from tests.models import tiny

print("begins", flush=True)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored
embedder = tiny.load(Path(sys.argv[1]))
processes = processes_for(embedder)
print("starts", flush=True)

def wait(done, total):
    print("embedded", flush=True)
    if sys.argv[4] == "wait":
        sys.stdin.read()

run(embedder, Path(sys.argv[2]), Path(sys.argv[3]), wait, processes=processes)
print("ends", flush=True)
"""


@pytest.mark.parametrize("when", ["starts", "embedded"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_processes_end_after_the_one_that_asked(
    when: str, end: signal.Signals, dataset_folder: Path, tmp_path: Path
) -> None:
    """At work, and while they still import what they need."""
    with _script(dataset_folder, tmp_path, "wait") as asking:
        assert asking.stdout is not None
        while asking.stdout.readline() != f"{when}\n":
            assert asking.poll() is None
        started = psutil.Process(asking.pid).children(recursive=True)
        assert started
        asking.send_signal(end)
        asking.wait(60)
    gone, alive = psutil.wait_procs(started, 60)
    assert not alive and gone


def test_a_script_without_a_guard_is_not_run_by_each_process(dataset_folder: Path, tmp_path: Path) -> None:
    with _script(dataset_folder, tmp_path, "go on") as asking:
        told, complaint = asking.communicate(timeout=120)
    lines = told.splitlines()
    assert (lines.count("begins"), lines.count("ends"), asking.returncode) == (1, 1, 0), complaint


def _script(dataset: Path, folder: Path, way: str) -> subprocess.Popen[str]:
    (folder / "script.py").write_text(SCRIPT)
    model = tiny.save_llava(folder / "model")
    command = [sys.executable, str(folder / "script.py"), str(model), str(dataset), str(folder / "out"), way]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    piped = subprocess.PIPE
    return subprocess.Popen(command, stdin=piped, stdout=piped, stderr=piped, text=True, env=environment)
