"""What is logged: with whose step it is, a user's mistake once, as lines of JSON where LENS_LOG=json asks for them."""

import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline_core.errors import LensError

if TYPE_CHECKING:
    from pipeline_core.planner.plan import Step

ASKED = "LENS_LOG"
_OF_PREFECT = ("flow_run_id", "flow_run_name", "task_run_name")
"""What Prefect's records have of theirs."""

_MISTAKE = "mistake"
_LIKE_EMOJI = re.compile(r":(?=[^\s:\d\"][^\s:\"]*:)")

_whose: ContextVar[dict[str, str] | None] = ContextVar("whose", default=None)


@contextmanager
def events_of(run_id: str, step: "Step | None" = None) -> Iterator[None]:
    """Have what is logged inside tell its run and, of a step, its stage and artifact."""
    whose = {"run": run_id}
    if step is not None:
        whose |= {"step": step.name, "stage": step.stage, "fingerprint": step.key.short}
    token = _whose.set(whose)
    try:
        yield
    finally:
        _whose.reset(token)


class JsonLines(logging.Formatter):
    """Writes an event as an object: time (UTC), level, logger, message, whose step it is, and an error's trace."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **(_whose.get() or {}),
            **{name: str(value) for name in _OF_PREFECT if (value := getattr(record, name, None))},
        }
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        # Prefect's console would draw what reads like the name of an emoji.
        return _LIKE_EMOJI.sub(r"\\u003a", json.dumps(told, ensure_ascii=False))


def lines_asked() -> bool:
    """Say whether lines of JSON are asked for."""
    return os.environ.get(ASKED) == "json"


def write_as_asked() -> bool:
    """Have what is logged, or warned of, to a stream be lines of JSON, if that is asked for; say whether it is."""
    if asked := lines_asked():
        logging.captureWarnings(True)
        known = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
        for handler in [logging.lastResort, *(one for logger in (logging.root, *known) for one in logger.handlers)]:
            if isinstance(handler, logging.StreamHandler):
                handler.setFormatter(JsonLines())
    return asked


@contextmanager
def mistakes_logged(logger: "logging.Logger | logging.LoggerAdapter[logging.Logger]") -> Iterator[None]:
    """Log a user's mistake where it is met, with whose step met it."""
    try:
        yield
    except LensError as error:
        logger.error("%s", error, exc_info=error)
        raise


class MistakesOnce(logging.Filter):
    """Has a user's mistake told in one line without a trace, once a run of a flow: Prefect tells it at every level."""

    def __init__(self) -> None:
        """Begin with none told."""
        super().__init__()
        self._told: set[tuple[object, str]] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep what is no mistake, or the first that tells it, which is marked; shorten states that tell it again."""
        run, error = getattr(record, "flow_run_id", None), record.exc_info[1] if record.exc_info else None
        if isinstance(error, LensError):
            line = str(error)
            record.msg, record.args, record.exc_info = "%s", (line,), None
            record.__dict__[_MISTAKE] = True
            if (run, line) in self._told:
                return False
            self._told.add((run, line))
        elif any(run == known and line in record.getMessage() for known, line in self._told):
            record.msg, record.args = record.getMessage().partition("(")[0], ()
        return True


def not_a_mistake(record: logging.LogRecord) -> bool:
    """Say whether a record tells something else: whoever called for the run tells its mistake."""
    return _MISTAKE not in record.__dict__
