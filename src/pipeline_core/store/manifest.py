"""What is noted of an artifact when it is published, beside its files: ``manifest.json``, and how it is read."""

import errno
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import pyarrow.parquet as pq
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from pipeline_core.errors import StoreError
from pipeline_core.schema import SHARDED, schema_version, tables_of
from pipeline_core.store.digests import digest_once
from pipeline_core.store.fingerprint import SHORT, StageKey
from pipeline_core.store.peak import peak_memory

MANIFEST = "manifest.json"
_LOST = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EIO}
LIBRARIES = ("torch", "transformers", "numpy", "pyarrow", "duckdb", "lancedb", "polars", "great-expectations")


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise ValueError("it leads out of the artifact")
    return path


class FileEntry(BaseModel):
    """A file of an artifact, by its path in it."""

    model_config = ConfigDict(frozen=True)
    path: Annotated[str, AfterValidator(_inside)]
    size: int
    sha256: str


class Manifest(BaseModel):
    """What ``manifest.json`` of an artifact says.

    ``placement`` says how the build was carried out, which decides nothing. ``seconds`` and ``peak_memory_bytes`` are
    those of the process that finished the build: what interrupted ones spent before is not known. ``rules`` is a digest
    of what the artifact was accepted by, ``contracts`` the outcomes.
    """

    model_config = ConfigDict(frozen=True)
    schema_version: int
    stage: str
    stage_version: int
    fingerprint: str
    config: dict[str, Any]
    inputs: dict[str, str]
    source: str | None
    numerics: dict[str, Any] | None
    data: str | None
    placement: dict[str, Any]
    files: tuple[FileEntry, ...]
    rows: dict[str, int]
    seconds: float
    peak_memory_bytes: int
    created: datetime
    libraries: dict[str, str]
    contracts: tuple[dict[str, Any], ...]
    rules: str | None = None


@dataclass(frozen=True)
class Artifact:
    """A published artifact."""

    folder: Path
    manifest: Manifest

    @property
    def stage(self) -> str:
        """The stage that made it."""
        return self.manifest.stage

    @property
    def fingerprint(self) -> str:
        """The short fingerprint: its folder's name and its name in tables."""
        return self.folder.name

    @property
    def n_held(self) -> int:
        """Number of expectations that held when it was published."""
        return sum(bool(result["success"]) for result in self.manifest.contracts)


def read_artifact(folder: Path) -> Artifact:
    """Read a published artifact's manifest.

    Raises:
        StoreError: there is no manifest, or it cannot be read.
        OSError: this process may not read it, or open no more files, which is no damage.
    """
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except OSError as error:
        if error.errno not in _LOST:
            raise
        raise StoreError(
            f"the artifact {folder.parent.name}/{folder.name} has no manifest", "run lens verify"
        ) from None
    except ValidationError:
        raise StoreError(
            f"the manifest of {folder.parent.name}/{folder.name} cannot be read", "run lens verify --repair"
        ) from None
    if (manifest.stage, manifest.fingerprint[:SHORT]) != (folder.parent.name, folder.name):
        raise StoreError(
            f"the manifest of {folder.parent.name}/{folder.name} is another artifact's", "run lens verify --repair"
        )
    return Artifact(folder, manifest)


def describe(
    key: StageKey,
    folder: Path,
    seconds: float,
    contracts: tuple[dict[str, Any], ...],
    placement: Mapping[str, Any],
    rules: str | None,
) -> Manifest:
    """Return the manifest of what was built into a folder, the digest of every file among the rest.

    Args:
        key: what was built.
        folder: where.
        seconds: how long that took.
        contracts: outcomes of the contracts of its tables.
        placement: how it was carried out.
        rules: digest of what it was accepted by.
    """
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    files = tuple(
        FileEntry(path=p.relative_to(folder).as_posix(), size=p.stat().st_size, sha256=digest_once(p)) for p in paths
    )
    values = asdict(key)
    return Manifest(
        schema_version=schema_version(key.stage),
        stage_version=values.pop("version"),
        fingerprint=key.fingerprint,
        **values,
        placement=dict(placement),
        files=files,
        rows=_count_rows(key.stage, folder),
        seconds=seconds,
        peak_memory_bytes=peak_memory(),
        created=datetime.now(UTC),
        libraries={name: metadata.version(name) for name in LIBRARIES},
        contracts=contracts,
        rules=rules,
    )


def _count_rows(stage: str, folder: Path) -> dict[str, int]:
    rows = {}
    for table in tables_of(stage):
        files = (folder / table.name).glob("*.parquet") if table.name in SHARDED else [folder / table.file_name]
        present = [file for file in files if file.is_file()]
        if present:
            rows[table.name] = sum(pq.read_metadata(file).num_rows for file in present)
    return rows
