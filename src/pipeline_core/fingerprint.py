"""What makes an artifact what it is: the key of a stage, its fingerprint, digests of files from outside."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

SHORT = 16
_CHUNK = 1 << 20


@dataclass(frozen=True)
class StageKey:
    """Everything that a stage's output depends on.

    Attributes:
        stage: the stage, also the folder in the store.
        version: integer beside the stage's code, raised when the code's output changes.
        config: the slice of the config that the stage reads, JSON values only.
        inputs: role -> fingerprint of each input artifact.
        source: identity of data or a model from outside the store.
        numerics: versions, device, dtype, threads and attention kind, for stages that run a model.
    """

    stage: str
    version: int
    config: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None
    numerics: Mapping[str, Any] | None = None

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of the canonical JSON of the key, 64 hex digits."""
        return hashlib.sha256(canonical_json(vars_of(self)).encode()).hexdigest()

    @property
    def short(self) -> str:
        """The first 16 digits: the artifact's folder name."""
        return self.fingerprint[:SHORT]


def vars_of(key: StageKey) -> dict[str, Any]:
    """Return the key's fields as JSON values, in the order of the class."""
    return {
        "stage": key.stage,
        "version": key.version,
        "config": dict(key.config),
        "inputs": dict(key.inputs),
        "source": key.source,
        "numerics": None if key.numerics is None else dict(key.numerics),
    }


def canonical_json(value: object) -> str:
    """Serialise with sorted keys, no spaces and no NaN, so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, hex; remembered by size and modification time."""
    stat = path.stat()
    return _digest(path, stat.st_size, stat.st_mtime_ns)


# Size and time are arguments because they are the memo's key: a file that changed is read again.
@lru_cache(maxsize=1 << 16)
def _digest(path: Path, size: int, modified: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def folder_digest(folder: Path) -> str:
    """Return the identity of a folder: sha256 over (relative path, size, sha256) of its files, hidden ones left out."""
    files = sorted(
        p
        for p in folder.rglob("*")
        if p.is_file() and not any(part.startswith(".") for part in p.relative_to(folder).parts)
    )
    rows = [(p.relative_to(folder).as_posix(), p.stat().st_size, file_digest(p)) for p in files]
    return hashlib.sha256(canonical_json(rows).encode()).hexdigest()
