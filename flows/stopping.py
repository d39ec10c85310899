"""Ctrl-C and SIGTERM end a run at once, with one line and no process left: the store takes a stop at any moment."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType

from flows.terminal import complain, err

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_OTHERS_END = 128
"""What the exit status of a process that a signal ended adds to the signal's number."""


@contextmanager
def ends_when_asked() -> Iterator[None]:
    """End the process as soon as it is asked to, whatever its threads are doing; for the main thread.

    A thread hears of signals through the interpreter's own pipe: the main thread may be deep in arithmetic, and Prefect
    takes the handler of SIGTERM for its own, waiting for every step that is under way.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    before = {number: signal.signal(number, _left_to_the_thread) for number in _SIGNALS}
    previous = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    Thread(target=_leave_when_told, args=(heard,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(told)


def _left_to_the_thread(number: int, frame: FrameType | None) -> None:
    """Do nothing: without a handler of Python's own, the pipe would not be written to."""


def _leave_when_told(heard: int) -> None:
    while told := os.read(heard, 1):
        if told[0] in _SIGNALS:
            err.show_cursor()
            complain("stopped; what was finished is in the store, and the same command goes on from there", style=None)
            os._exit(_OTHERS_END + told[0])
    os.close(heard)
