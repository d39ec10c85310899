"""What makes an artifact what it is: the key of a stage, its fingerprint, digests of files from outside."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline_core.schema import SCHEMA_VERSION

SHORT = 16


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
        """The sha256 of the canonical JSON of the key and the version of the schema, 64 hex digits."""
        values = {"schema_version": SCHEMA_VERSION, **vars_of(self)}
        return hashlib.sha256(canonical_json(values).encode()).hexdigest()

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
    """Return the sha256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path, memo: Path | None = None) -> str:
    """Return the identity of a folder: sha256 over (relative path, size, sha256) of its files, hidden ones left out.

    Args:
        folder: a data set or a model.
        memo: file that remembers digests by path, size and modification time, so that a folder of gigabytes is read
            once; by default one in the user's cache.
    """
    memo = memo or _user_cache() / "digests.json"
    known = _read_memo(memo)
    rows, seen = [], {}
    for path in sorted(folder.resolve().rglob("*")):
        relative = path.relative_to(folder.resolve())
        if not path.is_file() or any(part.startswith(".") for part in relative.parts):
            continue
        stat = path.stat()
        key = f"{path}|{stat.st_size}|{stat.st_mtime_ns}"
        seen[key] = known.get(key) or file_digest(path)
        rows.append((relative.as_posix(), stat.st_size, seen[key]))
    if not seen.keys() <= known.keys():
        _write_memo(memo, known | seen)
    return hashlib.sha256(canonical_json(rows).encode()).hexdigest()


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "retrieval-lens"


def _read_memo(memo: Path) -> dict[str, str]:
    try:
        known = json.loads(memo.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write_memo(memo: Path, known: Mapping[str, str]) -> None:
    memo.parent.mkdir(parents=True, exist_ok=True)
    temporary = memo.with_name(f"{memo.name}.{os.getpid()}")
    temporary.write_text(json.dumps(known), encoding="utf-8")
    temporary.replace(memo)
