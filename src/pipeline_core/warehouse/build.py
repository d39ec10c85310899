"""Publication of the warehouse: built aside from store and journal, then named by the pointer file ``current``.

Readers resolve the pointer when they connect and old versions stay for a while, so nobody waits for anybody.
"""

import fcntl
import logging
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline_core.contracts.validation import validate_artifact
from pipeline_core.errors import QueryError
from pipeline_core.schema import SCHEMA_VERSION, TABLES, tables_of
from pipeline_core.schema.parquet import table_files
from pipeline_core.store.artifacts import Artifact, Store
from pipeline_core.store.durable import publish_file, publish_text
from pipeline_core.store.journal import read_runs
from pipeline_core.warehouse.catalog import STAGE, Part, create_catalog
from pipeline_core.warehouse.facts import write_facts

FOLDER = "warehouse"
POINTER = "current"
KEPT = 3
"""Versions that stay: the current one and two that readers may still hold open."""

log = logging.getLogger(__name__)

_NUMBERED = re.compile(r"warehouse-(\d+)\.duckdb")


class Pointer(BaseModel):
    """What the file ``current`` says: the database to read, and where the store was when its views were made."""

    model_config = ConfigDict(frozen=True)
    file: str
    root: str


def build_warehouse(store_root: Path) -> Path:
    """Build a new version of the warehouse from all published artifacts and run records; return its file.

    Artifacts of another version of the schema have other columns: they are left out.

    Raises:
        ContractError: the run records contradict themselves.
        StoreError: a run record cannot be read.
    """
    store = Store(store_root)
    folder = store.root / FOLDER
    folder.mkdir(exist_ok=True)
    with _lock(folder):
        aside = folder / ".build"
        if aside.exists():
            shutil.rmtree(aside)
        aside.mkdir()
        artifacts = _current_artifacts(store)
        write_facts(aside, artifacts, read_runs(store.root))
        validate_artifact(STAGE, aside)
        with duckdb.connect(aside / "warehouse.duckdb") as connection:
            create_catalog(connection, _parts(artifacts, aside))
        path = folder / f"warehouse-{max(_versions(folder), default=0) + 1}.duckdb"
        publish_file(aside / "warehouse.duckdb", path)
        publish_text(folder / POINTER, Pointer(file=path.name, root=str(store.root)).model_dump_json())
        shutil.rmtree(aside)
        for number in sorted(_versions(folder))[:-KEPT]:
            (folder / f"warehouse-{number}.duckdb").unlink()
    return path


def current_warehouse(store_root: Path) -> Path:
    """Return the current version's file; a store that has moved gets one whose views point to where it is now.

    Raises:
        QueryError: the store has no warehouse yet.
    """
    root = store_root.resolve()
    try:
        pointer = Pointer.model_validate_json((root / FOLDER / POINTER).read_bytes())
    except (OSError, ValidationError):
        raise QueryError(
            f"the store {store_root} has no warehouse", "run lens run first, or name another --store"
        ) from None
    if pointer.root != str(root):
        return build_warehouse(root)
    return root / FOLDER / pointer.file


def _current_artifacts(store: Store) -> list[Artifact]:
    artifacts = store.artifacts()
    current = [a for a in artifacts if a.manifest.schema_version == SCHEMA_VERSION]
    if len(current) < len(artifacts):
        log.warning(
            "%d artifacts are not of schema %d and were left out of the warehouse; lens prune lists what is not used",
            len(artifacts) - len(current),
            SCHEMA_VERSION,
        )
    return current


def _parts(artifacts: Sequence[Artifact], own: Path) -> dict[str, list[Part]]:
    parts: dict[str, list[Part]] = {name: [] for name in TABLES}
    for table in tables_of(STAGE):
        parts[table.name].append(Part("", tuple(table_files(own, table.name))))
    for artifact in artifacts:
        for name in artifact.manifest.rows:
            parts[name].append(Part(artifact.fingerprint, tuple(table_files(artifact.folder, name))))
    return parts


def _versions(folder: Path) -> list[int]:
    matches = (_NUMBERED.fullmatch(path.name) for path in folder.iterdir())
    return [int(match[1]) for match in matches if match]


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
