"""What is logged as lines of JSON, where LENS_LOG=json asks for it: alike from every runner, with whose step it is."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from pipeline_core.planner.plan import Step

ASKED = "LENS_LOG"

_step: ContextVar[dict[str, str] | None] = ContextVar("step", default=None)


@contextmanager
def events_of(step: Step, run_id: str) -> Iterator[None]:
    """Have what is logged inside tell its run, stage and artifact."""
    token = _step.set({"run": run_id, "step": step.name, "stage": step.stage, "fingerprint": step.key.short})
    try:
        yield
    finally:
        _step.reset(token)


class JsonLines(logging.Formatter):
    """Writes an event as an object: time (UTC), level, logger, message, whose step it is, and an error's trace."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **(_step.get() or {}),
        }
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)


def write_as_asked() -> None:
    """Have every logger that writes to a stream write lines of JSON, if that is asked for."""
    if os.environ.get(ASKED) == "json":
        known = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
        for handler in [logging.lastResort, *(one for logger in (logging.root, *known) for one in logger.handlers)]:
            if isinstance(handler, logging.StreamHandler):
                handler.setFormatter(JsonLines())
