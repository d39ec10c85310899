"""What a process exits with is what Python would exit with."""

import pytest

from flows.exits import ExitStatus


@pytest.mark.parametrize(("given", "code"), [(None, 0), (0, 0), (2, 2), ("words", 1)])
def test_it_is_what_exit_was_called_with(given: int | str | None, code: int) -> None:
    status = ExitStatus()
    status.take(SystemExit(given))
    assert status.code == code
