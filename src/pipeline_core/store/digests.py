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
        self._database = self._opened() or self._opened(anew=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._database:
            self._database.close()

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

    def _opened(self, anew: bool = False) -> sqlite3.Connection | None:
        """Return the file, or None if there can be none, or something else is there, which is put out of the way."""
        try:
            if anew:
                self._memo.unlink(missing_ok=True)
            # Each row is written at once, so that no other process waits for long; one lost is read again.
            database = sqlite3.connect(self._memo, timeout=_PATIENCE_SECONDS, isolation_level=None)
            database.execute("PRAGMA synchronous = OFF")
            database.execute("PRAGMA journal_mode = TRUNCATE")
            database.execute(_TABLE)
        except (sqlite3.Error, OSError):
            return None
        return database

    def _remembered(self, path: Path, state: tuple[int, int, int]) -> str | None:
        if self._database:
            with suppress(sqlite3.Error, UnicodeError):
                found = self._database.execute(_FIND, (str(path), *state)).fetchone()
                return str(found[0]) if found else None
        return None

    def _remember(self, path: Path, state: tuple[int, int, int], digest: str) -> None:
        """Keep a digest; a cache that cannot be written costs time, never the result."""
        try:
            if self._database:
                self._database.execute(_KEEP, (str(path), *state, digest))
        except sqlite3.Error:
            self._database = None
        except UnicodeError:
            pass  # a name that is no text
