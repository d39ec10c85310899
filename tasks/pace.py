"""How far a step is, told in the log now and then."""

import logging
import time

SECONDS_BETWEEN_LOGS = 30.0


class LoggedProgress:
    """Callable with (done, total): says every half a minute how far the step is, and how long it will take."""

    def __init__(self, name: str, logger: "logging.Logger | logging.LoggerAdapter[logging.Logger]") -> None:
        """Tell of the step ``name``."""
        self._name = name
        self._logger = logger
        self._started = self._logged = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Tell that ``done`` of ``total`` units of work are done."""
        now = time.monotonic()
        if now - self._logged < SECONDS_BETWEEN_LOGS or not done:
            return
        self._logged = now
        left = (now - self._started) / done * (total - done)
        self._logger.info("%s: %d of %d, about %.0f s left", self._name, done, total, left)
