"""The number of threads of all arithmetic, set for a while: results depend on it, so it is configured, not found."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Lock

import torch
from threadpoolctl import OpenBLASController, threadpool_limits

_lock = Lock()
_undo: list[Callable[[], object]] = []
"""What brings back the numbers before, for as long as a context is open, behind one entry for each further one."""


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Give torch, BLAS and OpenMP ``count`` threads inside the context.

    The numbers belong to the whole process. Contexts of several threads at once, which should ask for the same, are
    one: the last to be left brings back what there was.
    """
    with _lock:
        _undo.append(_limit(count) if not _undo else lambda: None)
    # In every thread: torch keeps a number for each that has computed.
    torch.set_num_threads(count)
    try:
        yield
    finally:
        with _lock:
            # The entry that undoes is the first, and goes last.
            _undo.pop()()


def _limit(count: int) -> Callable[[], object]:
    # Whichever thread was the first may set the number of OpenBLAS, unless it is told to leave that to others.
    OpenBLASController.clear_controlling_thread(force=True)
    before, limits = torch.get_num_threads(), threadpool_limits(limits=count)

    def undo() -> None:
        OpenBLASController.clear_controlling_thread(force=True)
        limits.restore_original_limits()
        torch.set_num_threads(before)

    return undo


@contextmanager
def workers() -> Iterator[Executor]:
    """Give as many threads as torch has in this one; in each of them it computes with that one alone.

    Pieces of work that are shared among them wait for each other once, at their end; a product that takes all threads
    makes them wait before and behind it.
    """
    count = torch.get_num_threads()
    started = Barrier(count)

    def begin(_: int) -> None:
        # Whoever asks for the first time, or computes, is given the process's number.
        torch.get_num_threads()
        torch.set_num_threads(1)
        started.wait()

    with ThreadPoolExecutor(count) as threads:
        list(threads.map(begin, range(count)))
        # What one thread asks for is given to those that have not computed yet, too.
        torch.set_num_threads(count)
        yield threads
