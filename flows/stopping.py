"""Ctrl-C and SIGTERM end a command at once, with one line and no process left: the store takes a stop at any moment.

Nothing but Python's own is imported before it is asked for: a command hears of signals while it still loads libraries.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType

_OF_A_RUN = "stopped; what was finished is in the store, and the same command goes on from there"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_OTHERS_END = 128
"""What the exit status of a process that a signal ended adds to the signal's number."""


def end_when_asked(line: str = "stopped") -> int:
    """End the process as soon as it is asked to from now on, whatever its threads are doing; for the main thread.

    A thread hears of signals through the interpreter's own pipe: the main thread may be deep in arithmetic, and Prefect
    takes the handler of SIGTERM for its own, waiting for every step that is under way.

    Args:
        line: what is told then.

    Returns:
        The end of the pipe that signals are written to; whoever puts another in its place closes it.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    for number in _SIGNALS:
        signal.signal(number, _left_to_the_thread)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    Thread(target=_leave_when_told, args=(heard, line), daemon=True).start()
    return told


@contextmanager
def ends_when_asked(line: str = _OF_A_RUN) -> Iterator[None]:
    """End the process as ``end_when_asked`` does while what is inside goes on, and tell of that."""
    with _as_before():
        told = end_when_asked(line)
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            os.close(told)


@contextmanager
def ends_in_order(line: str) -> Iterator[None]:
    """End the process as others end, but let what is inside end first what it has started; for the main thread.

    It hears of the first signal by ``KeyboardInterrupt`` and of no other: what it waits for is Python's own.

    Args:
        line: what is told then.
    """
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if not asked:
            asked.append(number)
            raise KeyboardInterrupt

    with _as_before():
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, ask)
        try:
            yield
        except KeyboardInterrupt:
            _leave(asked[0], line)


@contextmanager
def ends_by_itself() -> Iterator[None]:
    """Leave signals to what is inside: a server answers what was asked before it ends."""
    with _as_before():
        signal.set_wakeup_fd(-1)
        yield


@contextmanager
def _as_before() -> Iterator[None]:
    """Give signals back to who had them before."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    previous = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(previous, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous, warn_on_full_buffer=False)
        for number, handler in before.items():
            signal.signal(number, handler)


def _left_to_the_thread(number: int, frame: FrameType | None) -> None:
    """Do nothing: without a handler of Python's own, the pipe would not be written to."""


def _leave_when_told(heard: int, line: str) -> None:
    while told := os.read(heard, 1):
        if told[0] in _SIGNALS:
            _leave(told[0], line)
    os.close(heard)


def _leave(number: int, line: str) -> None:
    # What tells lines brings libraries: it is loaded when there is one to tell.
    from flows.terminal import complain, err  # noqa: PLC0415

    err.show_cursor()
    if err.is_terminal:
        err.print()
    complain(line, style=None)
    os._exit(_OTHERS_END + number)
