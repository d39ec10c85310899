"""Publication of the warehouse: built aside from store and journal, then named by the pointer file ``current``.

Readers resolve the pointer when they connect and old versions stay for a while, so nobody waits for anybody.
"""

import fcntl
import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import duckdb

from pipeline_core.contracts.validation import validate_artifact
from pipeline_core.schema import TABLES, schema_version, tables_of
from pipeline_core.schema.parquet import table_files
from pipeline_core.store.artifacts import Store
from pipeline_core.store.durable import publish_file, publish_text
from pipeline_core.store.fingerprint import canonical_json
from pipeline_core.store.journal import read_runs
from pipeline_core.store.manifest import Artifact
from pipeline_core.warehouse.catalog import SQL, STAGE, Part, create_catalog, refill
from pipeline_core.warehouse.current import FOLDER, NUMBERED, POINTER, Pointer, read_pointer
from pipeline_core.warehouse.facts import FIXED, OF_RUNS, write_facts, write_runs

KEPT = 3
"""Versions that stay: the current one and two that readers may still hold open."""

log = logging.getLogger(__name__)

_DATABASE = "warehouse.duckdb"


def build_warehouse(store_root: Path) -> Path:
    """Build a new version of the warehouse from all published artifacts and run records; return its file.

    Artifacts of another version of the schema have other columns: they are left out.

    Raises:
        ContractError: the run records contradict themselves.
        StoreError: a run record cannot be read.
    """
    store = Store(store_root)
    with _workshop(store) as aside:
        return _build(store, _current_artifacts(store), aside)


def publish_runs(store_root: Path) -> Path:
    """Bring the runs in the warehouse up to the journal; return its file.

    After a run that built nothing, all else is as it was: the current version is copied, and the tables of runs are
    filled anew. Where the current version was made from anything else than what there is now, all is built.

    Raises:
        StoreError: a run record cannot be read.
    """
    store = Store(store_root)
    with _workshop(store) as aside:
        artifacts = _current_artifacts(store)
        made_of = _made_of(artifacts)
        pointer = read_pointer(store.root)
        if pointer is None or (pointer.root, pointer.made_of) != (str(store.root), made_of):
            return _build(store, artifacts, aside)
        write_runs(aside, read_runs(store.root))
        try:
            shutil.copyfile(aside.parent / pointer.file, aside / _DATABASE)
            with duckdb.connect(aside / _DATABASE) as connection:
                refill(connection, {name: table_files(aside, name) for name in OF_RUNS})
        except (OSError, duckdb.Error) as error:
            log.warning("the warehouse is built anew, because %s cannot be read: %s", pointer.file, error)
            (aside / _DATABASE).unlink(missing_ok=True)
            return _build(store, artifacts, aside)
        return _publish(store, aside, made_of)


def _build(store: Store, artifacts: Sequence[Artifact], aside: Path) -> Path:
    write_facts(aside, artifacts, read_runs(store.root))
    validate_artifact(STAGE, aside)
    with duckdb.connect(aside / _DATABASE) as connection:
        create_catalog(connection, _parts(artifacts, aside))
    return _publish(store, aside, _made_of(artifacts))


def _publish(store: Store, aside: Path, made_of: str) -> Path:
    folder = aside.parent
    path = folder / f"warehouse-{max(_versions(folder), default=0) + 1}.duckdb"
    publish_file(aside / _DATABASE, path)
    pointer = Pointer(file=path.name, root=str(store.root), made_of=made_of)
    publish_text(folder / POINTER, json.dumps(asdict(pointer)))
    for number in sorted(_versions(folder))[:-KEPT]:
        (folder / f"warehouse-{number}.duckdb").unlink()
    return path


def _made_of(artifacts: Sequence[Artifact]) -> str:
    values = {
        "tables": {table.name: [table.version, *(c.name for c in table.columns)] for table in TABLES.values()},
        "sql": [file.read_text(encoding="utf-8") for file in SQL],
        "fixed": {name: rows().to_dicts() for name, rows in FIXED.items()},
        # What was damaged and built anew has times of its own.
        "artifacts": sorted((a.fingerprint, a.manifest.created.isoformat()) for a in artifacts),
    }
    return hashlib.sha256(canonical_json(values).encode()).hexdigest()


def _current_artifacts(store: Store) -> list[Artifact]:
    artifacts = store.artifacts()
    current = [a for a in artifacts if a.manifest.schema_version == schema_version(a.manifest.stage)]
    if len(current) < len(artifacts):
        log.warning(
            "%d artifacts have tables of another version and were left out of the warehouse; "
            "lens prune lists what is not used",
            len(artifacts) - len(current),
        )
    return current


def _parts(artifacts: Sequence[Artifact], own: Path) -> dict[str, list[Part]]:
    parts: dict[str, list[Part]] = {name: [] for name in TABLES}
    for table in tables_of(STAGE):
        parts[table.name].append(Part("", tuple(table_files(own, table.name))))
    for artifact in artifacts:
        for name in artifact.manifest.rows:
            if name not in parts:
                log.warning("%s is of a stage that is not installed: its table is left out", name)
                continue
            parts[name].append(Part(artifact.fingerprint, tuple(table_files(artifact.folder, name))))
    return parts


def _versions(folder: Path) -> list[int]:
    matches = (NUMBERED.fullmatch(path.name) for path in folder.iterdir())
    return [int(match[1]) for match in matches if match]


@contextmanager
def _workshop(store: Store) -> Iterator[Path]:
    """Give an empty folder to build in, while nobody else does."""
    folder = store.root / FOLDER
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        aside = folder / ".build"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        try:
            yield aside
        finally:  # on a full disk, too, where it is room for what comes next
            shutil.rmtree(aside)
