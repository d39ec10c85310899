"""What makes an artifact what it is: the key of a stage, its fingerprint, digests of files from outside."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline_core.schema import schema_version
from pipeline_core.store.digests import Digests

SHORT = 16

_BOOKKEEPING = {".git", ".cache"}


@dataclass(frozen=True)
class StageKey:
    """Everything that a stage's output depends on.

    Attributes:
        stage: the stage, also the folder in the store.
        version: integer beside the stage's code, raised when the code's output changes.
        config: every section of the config that the stage declares, whole, JSON values only.
        inputs: role -> fingerprint of each input artifact.
        source: identity of data or a model from outside the store.
        numerics: versions of libraries and kind of device, for stages whose arithmetic is theirs.
        data: digest of the package's files, other than code, that decide the output.
    """

    stage: str
    version: int
    config: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None
    numerics: Mapping[str, Any] | None = None
    data: str | None = None

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of the canonical JSON of the key and the version of the stage's tables, 64 hex digits."""
        values = {"schema_version": schema_version(self.stage), **asdict(self)}
        return hashlib.sha256(canonical_json(values).encode()).hexdigest()

    @property
    def short(self) -> str:
        """The first 16 digits: the artifact's folder name."""
        return self.fingerprint[:SHORT]


def canonical_json(value: object) -> str:
    """Serialise with sorted keys, no spaces and no NaN, so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def folder_digest(folder: Path, memo: Path | None = None) -> str:
    """Return the identity of a model's folder: sha256 over (relative path, size, sha256) of all its files.

    Links are followed, and hidden files are files; only what Git and the hub keep for themselves is left out.

    Args:
        folder: the model.
        memo: file that remembers digests, as in ``digests.Digests``.
    """
    folder = folder.resolve()
    with Digests(memo) as digests:
        rows = [
            (p.relative_to(folder).as_posix(), p.stat().st_size, digests.of(p)) for p in _files(folder, frozenset())
        ]
    return hashlib.sha256(canonical_json(rows).encode()).hexdigest()


def _files(folder: Path, above: frozenset[Path]) -> Iterator[Path]:
    """Go through the files below a folder in order; a link to a folder that it lies in is not followed round."""
    true = folder.resolve()
    if true in above:
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in _BOOKKEEPING:
            yield from _files(path, above | {true})
        elif path.is_file():
            yield path
