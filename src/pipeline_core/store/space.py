"""A disk without room, whoever found it full: told in one line, with what was needed and what there is."""

import errno
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline_core.errors import StoreError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_TOLD = re.compile(
    r"no space left|os error 28\b|disk quota|disk is full|PytorchStreamWriter|\d+ requested and \d+ written",
    re.IGNORECASE,
)
"""What libraries say that keep the number of an error to themselves."""

_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


class NoRoomError(StoreError):
    """The disk is full."""


def is_full(error: BaseException | None) -> bool:
    """Say whether an error, or what it came from, is that there was no room to write."""
    while error is not None:
        if (isinstance(error, OSError) and error.errno in _FULL) or _TOLD.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def room_told(folder: Path, what: str, needed: Callable[[], float | None] = lambda: None) -> Iterator[None]:
    """Tell of a full disk in one line where what is inside finds one.

    Args:
        folder: where it writes.
        what: what is written.
        needed: estimates how many bytes that takes, if anything does; of what it takes to work with nothing is known.

    Raises:
        NoRoomError: there was no room.
    """
    before = shutil.disk_usage(folder).free
    try:
        yield
    except Exception as error:
        if isinstance(error, NoRoomError) or not is_full(error):
            raise
        takes = needed()
        size = f"about {told(takes)}" if takes and takes > before else f"more than {told(before)}"
        raise NoRoomError(
            f"the disk of {folder} has no room for {what}, which takes {size}; "
            f"{told(shutil.disk_usage(folder).free)} are free",
            "make room, then run again: it goes on from what is there",
        ) from error


def told(n_bytes: float) -> str:
    """Write a number of bytes as people read it."""
    unit, size = next(((unit, size) for unit, size in _UNITS if n_bytes >= size), _UNITS[-1])
    return f"{n_bytes / size:.1f} {unit}"
