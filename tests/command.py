"""The command ``lens`` as a person starts it, in a process of its own; and its application while it serves."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event

LENS = (sys.executable, "-c", "from flows.command import main; main()")


@contextmanager
def serving(
    command: Sequence[str], place: Path | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Serve the application by ``lens serve`` in a process of its own; yields its address."""
    with subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.terminate()


def wait_for(process: "subprocess.Popen[str]", reached: Callable[[], bool]) -> None:
    """Wait until ``reached`` says so, while a run goes on."""
    tick = Event()
    while not reached():
        assert process.poll() is None, f"the run ended before it could be stopped: {process.communicate()}"
        tick.wait(0.02)
