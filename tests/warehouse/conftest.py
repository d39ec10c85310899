"""A small store as a run leaves it: artifacts of every stage, one repeated with another seed, and the journal."""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline_core.contracts.validation import validate_artifact
from pipeline_core.store.artifacts import Store
from pipeline_core.store.fingerprint import StageKey
from pipeline_core.store.journal import RunArtifact, RunRecord, journalled_run
from pipeline_core.warehouse.build import build_warehouse
from tests.contracts.artifacts import STAGES, Tables, good_tables, write_tables

BUILT = tuple(stage for stage in STAGES if stage != "warehouse")
REPEATED = "grid"
"""The stage that the run repeats with another seed."""


def publish(store: Store, stage: str, tables: Tables, seed: int = 0, repetition: int = 0) -> RunArtifact:
    """Publish an artifact as a task does, and return how the journal names it."""
    name = f"repetition-{repetition}/{stage}" if repetition else stage
    artifact, cached = store.materialize(
        StageKey(stage, 1, {"seed": seed}),
        lambda folder: write_tables(folder, tables),
        lambda folder: [asdict(result) for result in validate_artifact(stage, folder)],
    )
    return RunArtifact(
        name=name, stage=stage, fingerprint=artifact.fingerprint, repetition=repetition, cached=cached, seconds=1.0
    )


def repeated_tables() -> Tables:
    """Return the tables of the repetition: every hit rate is 0.05 higher."""
    tables = good_tables(REPEATED)
    for row in tables["retrieval_metrics"]:
        row["value"] += 0.05
    return tables


def run_all(store: Store) -> RunRecord:
    """Run every stage, finding what is there."""
    used = [publish(store, stage, good_tables(stage)) for stage in BUILT]
    used.append(publish(store, REPEATED, repeated_tables(), seed=1, repetition=1))
    with journalled_run(store.root, "sweep", {"sae": {"k": 2}}, used) as run:
        pass
    return run.record


@pytest.fixture(scope="session")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one completed run, its warehouse built. Not to be changed."""
    store = Store(tmp_path_factory.mktemp("made") / "store")
    run_all(store)
    build_warehouse(store.root)
    return store.root


@pytest.fixture
def copied_store(made_store: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that copies the store to a folder of that name."""
    return lambda name: Path(shutil.copytree(made_store, tmp_path / name))
