"""Digests of files, remembered for as long as a file stays as it is."""

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path

from pipeline_core.user_cache import user_cache

_SETTLED_SECONDS = 2.0
"""Age of a change that clocks of file systems tell from the next one; younger files are read again each time."""

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
    """The sha256 of files by their true path, size and times, so that gigabytes are read once. A context manager."""

    def __init__(self, memo: Path | None = None) -> None:
        """Take the file that remembers; by default one in the user's cache."""
        self._memo = memo or user_cache("digests.json")
        self._known: dict[str, str] = {}
        self._new: dict[str, str] = {}

    def __enter__(self) -> "Digests":
        with suppress(OSError, ValueError):
            known = json.loads(self._memo.read_text(encoding="utf-8"))
            self._known = known if isinstance(known, dict) else {}
        return self

    def __exit__(self, *_: object) -> None:
        """Remember what was read; a cache that cannot be written costs time, never the result."""
        if self._new:
            with suppress(OSError):
                self._memo.parent.mkdir(parents=True, exist_ok=True)
                aside = self._memo.with_name(f"{self._memo.name}.{os.getpid()}")
                aside.write_text(json.dumps(self._known | self._new), encoding="utf-8")
                aside.replace(self._memo)

    def of(self, path: Path) -> str:
        """Return the digest of a file, or of what a link leads to.

        Raises:
            OSError: there is no such file, links lead in a circle, or it cannot be read.
        """
        asked = time.time()
        path = Path(os.path.realpath(path))
        stat = path.stat()
        # The time of the last change of status cannot be set back, as a copy sets back that of the contents.
        key = f"{path}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ctime_ns}"
        known = self._known.get(key) or self._new.get(key)
        if known:
            return known
        digest = file_digest(path)
        if _is_settled(stat, asked):
            self._new[key] = digest
        return digest
