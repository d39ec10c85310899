"""What visitors wait for at once is done at once: a pass answers all who wait, and only so many may wait."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import Generic, TypeVar

from pipeline_core.errors import LensError

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class BusyError(LensError):
    """More ask at once than can be answered soon."""


class Together(Generic[Asked, Answer]):
    """One pass at a time: whoever comes while one runs waits for the next, which answers all who wait by then."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._waiting: list[tuple[Asked, Future[Answer]]] = []
        self._guard, self._passing = Lock(), Lock()

    def ask(self, asked: Asked, answer: Callable[[Sequence[Asked]], Sequence[Answer]]) -> Answer:
        """Return what a pass answers to one question.

        Args:
            asked: the question.
            answer: makes the pass: of several questions it returns as many answers, whoever of those who wait gives it.

        Raises:
            Exception: what the pass raised, to all whom it was for.
        """
        own: Future[Answer] = Future()
        with self._guard:
            self._waiting.append((asked, own))
        with self._passing:
            if not own.done():
                with self._guard:
                    taken, self._waiting = self._waiting, []
                try:
                    answers = answer([question for question, _ in taken])
                except Exception as error:
                    for _, other in taken:
                        other.set_exception(error)
                else:
                    for (_, other), made in zip(taken, answers, strict=True):
                        other.set_result(made)
        return own.result()


class Room:
    """So many may wait at once, and fewer work; whoever comes to more is told so at once, and not after a minute.

    Who works takes the cores from those who only look something up: a few at a time are done as soon as all at once.
    One who would wait long for others, who may measure something for minutes, goes ahead beside them.
    """

    def __init__(self, most: int, working: int | None = None, patience: float = 2.0) -> None:
        """Hold at most so many, of whom so many work, by default one a core.

        Args:
            most: visits inside.
            working: of them at once.
            patience: seconds after which one goes ahead all the same.
        """
        self._most = most
        self._free = BoundedSemaphore(most)
        self._turns = BoundedSemaphore(working or max(2, os.cpu_count() or 1))
        self._patience = patience

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Take a place and wait for a turn; leave both.

        Raises:
            BusyError: there is no place.
        """
        if not self._free.acquire(blocking=False):
            raise BusyError(f"{self._most} others are waiting for answers", "ask again in a few seconds")
        try:
            in_turn = self._turns.acquire(timeout=self._patience)
            try:
                yield
            finally:
                if in_turn:
                    self._turns.release()
        finally:
            self._free.release()
