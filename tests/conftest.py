"""What every test shares: a quiet environment before any library is imported, and a quiet end."""

import atexit

from flows import environment
from flows.exits import ExitStatus

environment.prepare()
_status = ExitStatus()
atexit.register(_status.leave)


def pytest_sessionfinish(exitstatus: int) -> None:
    """Remember what pytest would have exited with."""
    _status.code = int(exitstatus)
