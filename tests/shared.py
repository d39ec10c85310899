"""What several workers need is made once: the first to come fills a folder, the others wait and find it."""

import fcntl
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

import psutil
import pytest


def filled_once(factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], object]) -> Path:
    """Return a folder that one worker of the session fills and none changes."""
    root = factory.getbasetemp()
    # A worker's folder lies in that of the session; without workers there is only the latter.
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / f"shared-{name}"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            aside = folder.with_suffix(".filling")
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            fill(aside)
            aside.rename(folder)
    return folder


def own_copy(factory: pytest.TempPathFactory, shared: Path) -> Path:
    """Return a copy of a shared folder for this worker's tests, which may add to it."""
    return Path(shutil.copytree(shared, factory.mktemp(shared.name) / "store"))


def swell(file: Path, n_bytes: int = 20_000_000) -> None:
    """Make the header of a file of safetensors longer by blanks, which it may have: the tensors stay what they are."""
    data = file.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    file.write_bytes((end - 8 + n_bytes).to_bytes(8, "little") + data[8:end] + b" " * n_bytes + data[end:])


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let this process open no file more while what is inside goes on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    held: list[int] = []
    try:
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for number in held:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def ends(pid: int) -> bool:
    """Say whether a process, no child of ours, ends within ten seconds: it is gone, or a zombie."""
    tick = Event()
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        tick.wait(0.1)
    return False


def command_line(process: psutil.Process) -> str:
    """Return what a process was started with; '' where it has ended meanwhile."""
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""
