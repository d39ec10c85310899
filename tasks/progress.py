"""Progress of a step: an artifact in the UI, a log line now and then, and whoever else listens in this process."""

import logging
import re
import time
from collections.abc import Callable
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from tasks.pace import LoggedProgress

SECONDS_BETWEEN_UPDATES = 2.0

Listener = Callable[[str, int, int], None]
listeners: list[Listener] = []
"""Called with (step name, done, total) at its start and every update; the command line shows them."""


def artifact_key(name: str, kind: str) -> str:
    """Return a key that Prefect accepts (a-z, 0-9, dashes) for a step's artifact."""
    return re.sub(r"[^a-z0-9]+", "-", f"{name}-{kind}".lower()).strip("-")


class Progress:
    """Callable with (done, total), as the core's functions want it."""

    def __init__(self, name: str, logger: "logging.Logger | logging.LoggerAdapter[logging.Logger]") -> None:
        self._name = name
        self._log = LoggedProgress(name, logger)
        self._artifact: UUID | None = None
        self._updated = time.monotonic()
        for listener in listeners:
            listener(name, 0, 1)

    def __call__(self, done: int, total: int) -> None:
        """Tell that ``done`` of ``total`` units of work are done."""
        for listener in listeners:
            listener(self._name, done, total)
        self._log(done, total)
        now = time.monotonic()
        if done < total and now - self._updated < SECONDS_BETWEEN_UPDATES:
            return
        self._updated = now
        self._publish(100.0 * done / max(total, 1))

    def _publish(self, percent: float) -> None:
        if self._artifact is None:
            created = create_progress_artifact(percent, key=artifact_key(self._name, "progress"))
            assert isinstance(created, UUID), "tasks are synchronous"
            self._artifact = created
        else:
            update_progress_artifact(self._artifact, percent)
