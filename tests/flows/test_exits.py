"""What a process exits with is what Python would exit with."""

import os
import subprocess
import sys

import pytest

from flows.exits import ExitStatus


@pytest.mark.parametrize(("given", "code"), [(None, 0), (0, 0), (2, 2), ("words", 1)])
def test_it_is_what_exit_was_called_with(given: int | str | None, code: int) -> None:
    status = ExitStatus()
    status.take(SystemExit(given))
    assert status.code == code


ENDING = """
import atexit
from flows.exits import ExitStatus
status = ExitStatus()
atexit.register(status.leave)
print("words")
status.code = 0
"""


@pytest.mark.parametrize(("redirected", "code"), [(">&-", 0), ("> /dev/full", 1), ("> /dev/null", 0)])
def test_an_output_that_takes_nothing_ends_without_a_trace(redirected: str, code: int) -> None:
    command = ["sh", "-c", f'exec "$@" {redirected}', "sh", sys.executable, "-c", ENDING]
    done = subprocess.run(command, stderr=subprocess.PIPE, check=False, env=os.environ | {"PYTHONUNBUFFERED": ""})
    assert (done.stderr, done.returncode) == (b"", code)
