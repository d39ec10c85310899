"""Families of models described before, by what decides them: one small file each in the user's cache."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from pipeline_core.user_cache import user_cache


def recall(key: str) -> str | None:
    """Return the family that was remembered under a key, if any."""
    try:
        return _file(key).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def remember(key: str, family: str) -> None:
    """Remember a family; a cache that cannot be written costs time, never the result."""
    file = _file(key)
    aside = file.with_name(f"{file.name}.{os.getpid()}")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(family, encoding="utf-8")
        aside.replace(file)


def _file(key: str) -> Path:
    return user_cache("families") / hashlib.sha256(key.encode()).hexdigest()[:16]
