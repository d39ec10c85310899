"""What is logged: every line JSON where that is asked for, a user's mistake once a run, and whose step it was."""

import json
import logging
import subprocess
import sys

import pytest

from pipeline_core.errors import DataError
from tasks.events import JsonLines, MistakesOnce, events_of, not_a_mistake

LOGGED = """
import warnings
import flows  # which every entry point imports before Prefect
import prefect.main
from prefect.logging import get_logger
from flows.terminal import complain
get_logger("workers").warning("one\\ntwo [/b] :heart: %s", "x" * 300)
try:
    1 / 0
except ZeroDivisionError:
    get_logger("workers").exception("a fault")
warnings.warn("it is old")
complain("no data; name others")
"""


def test_all_that_prefect_and_the_command_say_are_lines_of_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LENS_LOG", "json")
    done = subprocess.run([sys.executable, "-c", LOGGED], capture_output=True, text=True, check=True)
    warning, fault, old, mistake = map(json.loads, done.stderr.splitlines())
    assert warning["message"] == f"one\ntwo [/b] :heart: {'x' * 300}"
    assert fault["trace"].endswith("ZeroDivisionError: division by zero")
    assert "UserWarning: it is old" in old["message"]
    assert mistake.items() > {"level": "ERROR", "logger": "lens", "message": "no data; name others"}.items()


def record(run: str, message: str, error: Exception | None = None) -> logging.LogRecord:
    info = (type(error), error, None) if error else None
    made = logging.LogRecord("prefect.task_runs", logging.ERROR, "", 0, message, (), info)
    made.__dict__["flow_run_id"] = run
    return made


def test_a_mistake_is_one_line_once_a_run() -> None:
    once, mistake = MistakesOnce(), DataError("no pictures", "name a folder that has some")
    state = f'Finished in state Failed("Task run encountered an exception DataError: {mistake}")'
    for run in ("one", "another"):
        first, again, ended = record(run, "no", mistake), record(run, "Encountered", mistake), record(run, state)
        assert [once.filter(one) for one in (first, again, ended)] == [True, False, True]
        assert (first.getMessage(), first.exc_info) == ("no pictures; name a folder that has some", None)
        assert ended.getMessage() == "Finished in state Failed"
        assert [not_a_mistake(one) for one in (first, ended)] == [False, True]
    fault = record("one", "Encountered", ZeroDivisionError())
    assert once.filter(fault)
    assert fault.exc_info is not None


def test_what_is_logged_in_a_run_and_outside_of_its_steps_tells_the_run() -> None:
    with events_of("r1"):
        told = json.loads(JsonLines().format(record("f1", "the warehouse is published")))
    assert told.items() > {"run": "r1", "flow_run_id": "f1", "message": "the warehouse is published"}.items()
    assert "step" not in told
    assert "run" not in json.loads(JsonLines().format(record("f1", "after it")))
