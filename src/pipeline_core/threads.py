"""The number of threads of all arithmetic, set for a while: results depend on it, so it is configured, not found."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, closing, contextmanager
from threading import Barrier, Lock, local
from typing import Any, TypeVar

import torch
from threadpoolctl import OpenBLASController, threadpool_limits

R = TypeVar("R")

_lock = Lock()
_undo: list[Callable[[], object]] = []
"""What brings back the numbers before, for as long as a context is open, behind one entry for each further one."""

_workers: dict[int, "Workers"] = {}
"""Those of the contexts that are open, by their number; they are started when they are first asked for."""


class _Here(local):
    """What is known of the thread that asks."""

    contexts = 0
    only: "Workers | None" = None


_here = _Here()


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
    _here.contexts += 1
    try:
        yield
    finally:
        _here.contexts -= 1
        with _lock:
            # The entry that undoes is the first, and goes last.
            _undo.pop()()


@contextmanager
def alone() -> Iterator[None]:
    """Have torch compute with the thread alone that asks.

    Little work that all its threads share costs more than it saves before workers are asked: the system wakes one of
    them on the processor of the other, as its own is still busy with torch's, and finds that out milliseconds later.
    """
    with _torch_threads(1):
        yield


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Workers:
    """As many threads as torch has in the one that shares work among them, which is one of them.

    In each of them torch computes with that one alone. Pieces of work wait for each other once, at their end; a product
    that takes all threads makes them wait before and behind it.

    Attributes:
        count: how many they are.
    """

    def __init__(self, count: int) -> None:
        """Start all but the thread that asks."""
        self.count = count
        self._others, self._n_others = ThreadPoolExecutor(max(1, count - 1)), count - 1
        started = Barrier(count)

        def begin() -> None:
            # Whoever asks for the first time, or computes, is given the process's number.
            torch.get_num_threads()
            torch.set_num_threads(1)
            started.wait()

        for _ in range(self._n_others):
            self._others.submit(begin)
        started.wait()
        # What one thread asks for is given to those that have not computed yet, too.
        torch.set_num_threads(count)

    def map(self, work: Callable[..., R], *given: Iterable[Any]) -> list[R]:
        """Call ``work`` with the first of all given, the second, and so on; return what it returns, in order.

        A single piece is not shared: the thread that asks has all of torch's threads for it.

        Gradients are recorded, and tensors are those of inference, where the thread that asks has them so. After an
        error nobody begins another piece; it is raised when all have ended theirs.
        """
        pieces = list(zip(*given, strict=True))
        if len(pieces) == 1:
            return [work(*pieces[0])]
        results: list[Any] = [None] * len(pieces)
        numbers, end = itertools.count(), len(pieces)
        infers, records = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

        def take() -> None:
            nonlocal end
            with torch.inference_mode(infers), torch.set_grad_enabled(records):
                try:
                    while (number := next(numbers)) < end:
                        results[number] = work(*pieces[number])
                except BaseException:
                    end = 0
                    raise

        others = [self._others.submit(take) for _ in range(min(self._n_others, len(pieces) - 1))]
        try:
            with alone():
                take()
        finally:
            # Those who have not begun find nothing left.
            wait([other for other in others if not other.cancel()])
        for other in others:
            if not other.cancelled():
                other.result()
        return results

    def instead(self) -> AbstractContextManager[None]:
        """Have torch compute with as many threads of its own inside the context, while these wait."""
        return _torch_threads(self.count)

    def close(self) -> None:
        """End them."""
        self._others.shutdown()


@contextmanager
def workers() -> Iterator[Workers]:
    """Give workers: inside ``limited_threads`` the same ones each time.

    In a new thread every library sets up again what it works in, which costs as much as a small product.
    """
    count = torch.get_num_threads()
    if _here.only is not None:
        yield _here.only
    elif _here.contexts:
        with _lock:
            if count not in _workers:
                _workers[count] = Workers(count)
        yield _workers[count]
    else:
        with closing(Workers(count)) as own:
            yield own


@contextmanager
def only_workers() -> Iterator[None]:
    """Leave to workers all that is shared among threads, and have torch compute with the thread alone that asks.

    Threads of torch's own look out for its next operation for milliseconds, on the processors that workers need then.
    Between loops that workers share, an operation of torch should be small.
    """
    with workers() as threads, alone():
        before, _here.only = _here.only, threads
        try:
            yield
        finally:
            _here.only = before


def _limit(count: int) -> Callable[[], object]:
    # Whichever thread was the first may set the number of OpenBLAS, unless it is told to leave that to others.
    OpenBLASController.clear_controlling_thread(force=True)
    before, limits = torch.get_num_threads(), threadpool_limits(limits=count)

    def undo() -> None:
        for threads in _workers.values():
            threads.close()
        _workers.clear()
        OpenBLASController.clear_controlling_thread(force=True)
        limits.restore_original_limits()
        torch.set_num_threads(before)

    return undo
