"""How far a step is, and how long it will take: told in the log now and then."""

import logging
import time
from collections.abc import Callable

SECONDS_BETWEEN_LOGS = 30.0


class Pace:
    """Estimates what is left of a step from the work after the first that was told: the first batch warms all up."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Measure by a clock, seconds."""
        self._clock = clock
        self._first: tuple[float, int] | None = None

    def left(self, done: int, total: int) -> float | None:
        """Return the seconds that are left when ``done`` of ``total`` units are done; None while nothing tells."""
        if self._first is None and done:
            self._first = self._clock(), done
        if self._first is None or done <= self._first[1]:
            return None
        since, before = self._first
        return (self._clock() - since) / (done - before) * (total - done)


class LoggedProgress:
    """Callable with (done, total): says every half a minute how far the step is, and how long it will take."""

    def __init__(self, name: str, logger: "logging.Logger | logging.LoggerAdapter[logging.Logger]") -> None:
        """Tell of the step ``name``."""
        self._name = name
        self._logger = logger
        self._pace = Pace()
        self._logged = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Tell that ``done`` of ``total`` units of work are done."""
        left = self._pace.left(done, total)
        now = time.monotonic()
        if now - self._logged < SECONDS_BETWEEN_LOGS or not done:
            return
        self._logged = now
        told = "" if left is None else f", about {left:.0f} s left"
        self._logger.info("%s: %d of %d%s", self._name, done, total, told)
