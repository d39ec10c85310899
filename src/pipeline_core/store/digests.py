"""Digests of files, remembered for as long as a file stays as it is."""

import hashlib
import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from pipeline_core.user_cache import user_cache

_SETTLED_SECONDS = 2.0
"""Age of a change that clocks of file systems tell from the next one; younger files are read again each time."""

_TABLE = (
    "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INT, modified INT, changed INT, digest TEXT) "
    "WITHOUT ROWID"
)
_FIND = "SELECT digest FROM files WHERE path = ? AND size = ? AND modified = ? AND changed = ?"
_KEEP = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)"

_PATIENCE_SECONDS = 1.0
"""How long another process that remembers is waited for, before this one does without."""

_READ: dict[tuple[int, ...], str] = {}
"""Of the files that this process has read, by what a change of their contents would change."""


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_once(path: Path) -> str:
    """Return the sha256 of a file, read once a process for as long as its inode, size and times stay."""
    asked = time.time()
    stat = path.stat()
    key = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    if key in _READ:
        return _READ[key]
    digest = file_digest(path)
    if _is_settled(stat, asked):
        _READ[key] = digest
    return digest


def _is_settled(stat: os.stat_result, asked: float) -> bool:
    return asked - max(stat.st_mtime, stat.st_ctime) > _SETTLED_SECONDS


class Digests:
    """The sha256 of files by their true path, size and times, so that gigabytes are read once. A context manager.

    They are rows of a SQLite file: as many as files were ever read, each found by itself, none held in memory.
    """

    def __init__(self, memo: Path | None = None) -> None:
        """Take the file that remembers; by default one in the user's cache."""
        self._memo = memo or user_cache("digests.sqlite")
        self._database: sqlite3.Connection | None = None

    def __enter__(self) -> "Digests":
        with suppress(OSError):
            self._memo.parent.mkdir(parents=True, exist_ok=True)
            # What is no database is out of the way after the first try.
            self._open()
            if not self._database:
                self._open()
        return self

    def __exit__(self, *_: object) -> None:
        if self._database:
            self._database.close()
            self._database = None

    def of(self, path: Path) -> str:
        """Return the digest of a file, or of what a link leads to.

        Raises:
            OSError: there is no such file, links lead in a circle, or it cannot be read.
        """
        asked = time.time()
        path = Path(os.path.realpath(path))
        stat = path.stat()
        # The time of the last change of status cannot be set back, as a copy sets back that of the contents.
        state = stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
        known = self._remembered(path, state)
        if known:
            return known
        digest = file_digest(path)
        if _is_settled(stat, asked):
            self._remember(path, state, digest)
        return digest

    def _open(self) -> None:
        try:
            # Each row is written at once, so that no other process waits for long; one lost is read again.
            self._database = sqlite3.connect(self._memo, timeout=_PATIENCE_SECONDS, isolation_level=None)
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute("PRAGMA journal_mode = TRUNCATE")
            self._database.execute(_TABLE)
        except sqlite3.Error as error:
            self._do_without(error)

    def _remembered(self, path: Path, state: tuple[int, int, int]) -> str | None:
        try:
            found = self._database.execute(_FIND, (str(path), *state)).fetchone() if self._database else None
        except sqlite3.Error as error:
            self._do_without(error)
            return None
        except UnicodeError:  # a name that is no text
            return None
        return str(found[0]) if found else None

    def _remember(self, path: Path, state: tuple[int, int, int], digest: str) -> None:
        try:
            if self._database:
                self._database.execute(_KEEP, (str(path), *state, digest))
        except sqlite3.Error as error:
            self._do_without(error)
        except UnicodeError:
            pass

    def _do_without(self, error: sqlite3.Error) -> None:
        """Remember nothing from here on: that costs time, never the result. A damaged file is no more there."""
        self.__exit__()
        if not isinstance(error, sqlite3.OperationalError):  # which are locks, rights and full disks
            with suppress(OSError):
                self._memo.unlink(missing_ok=True)
