"""Commands that take artifacts away leave a warehouse that can still be asked about all its tables."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from pipeline_core.schema import TABLES
from pipeline_core.store.artifacts import Store
from pipeline_core.store.journal import journalled_run, read_runs
from pipeline_core.warehouse import build as building
from pipeline_core.warehouse.build import build_warehouse, publish_runs
from pipeline_core.warehouse.current import current_warehouse
from pipeline_core.warehouse.query import open_warehouse, query
from tests.contracts.artifacts import good_tables
from tests.warehouse.conftest import publish

CopyStore = Callable[[str], Path]


def lens(root: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--store", str(root)])
    assert done.exit_code == 0, done.output + str(done.exception)
    return done.stdout


@pytest.fixture
def grown(copied_store: CopyStore) -> Path:
    """A store with a completed run, and embeddings that no run uses, published in the warehouse."""
    root = copied_store("store")
    publish(Store(root), "activations", good_tables("activations"), seed=1)
    build_warehouse(root)
    assert query(root, "SELECT count(DISTINCT artifact) FROM embeddings").rows == ((2,),)
    return root


def test_pruned_artifacts_leave_the_warehouse(grown: Path) -> None:
    assert lens(grown, "prune", "--delete").count("removed") == 1
    for name in TABLES:
        query(grown, f"SELECT * FROM {name}")
    assert query(grown, "SELECT count(DISTINCT artifact) FROM embeddings").rows == ((1,),)


def test_listing_what_would_be_pruned_publishes_nothing(grown: Path) -> None:
    before = current_warehouse(grown)
    assert lens(grown, "prune").count("would remove") == 1
    assert current_warehouse(grown) == before
    assert query(grown, "SELECT count(DISTINCT artifact) FROM embeddings").rows == ((2,),)


def test_artifacts_set_aside_leave_the_warehouse(grown: Path) -> None:
    damaged = next(grown.glob("activations/*/embeddings/*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[::-1])
    lens(grown, "verify", "--repair")
    for name in TABLES:
        query(grown, f"SELECT * FROM {name}")
    assert query(grown, "SELECT count(DISTINCT artifact) FROM embeddings").rows == ((1,),)


def test_a_store_in_order_is_not_published_again(grown: Path) -> None:
    before = current_warehouse(grown)
    assert "as they were published" in lens(grown, "verify", "--repair")
    lens(grown, "prune", "--delete")
    assert lens(grown, "prune", "--delete") == ""
    assert current_warehouse(grown).name == before.name.replace("2", "3")


def test_runs_alone_are_published_like_a_whole_build(grown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with journalled_run(grown, "analyze", {}, read_runs(grown)[-1].artifacts) as run:
        pass
    with monkeypatch.context() as patched:
        patched.setattr(building, "create_catalog", None)  # it would fail: nothing but the runs is written
        publish_runs(grown)
    kept = contents(grown)
    assert (run.record.run_id,) in query(grown, "SELECT run_id FROM runs").rows
    assert query(grown, "SELECT DISTINCT run_id FROM latest_artifacts").rows == ((run.record.run_id,),)
    build_warehouse(grown)
    assert contents(grown) == kept


def test_runs_are_not_published_over_other_artifacts(grown: Path) -> None:
    publish(Store(grown), "activations", good_tables("activations"), seed=2)
    publish_runs(grown)
    assert query(grown, "SELECT count(DISTINCT artifact) FROM embeddings").rows == ((3,),)


def test_an_artifact_that_was_built_anew_is_in_the_warehouse_as_it_is_now(grown: Path) -> None:
    """Times differ from build to build, and the key does not tell."""
    store, tables = Store(grown), good_tables("efficiency")
    (built,) = (artifact for artifact in store.artifacts() if artifact.manifest.stage == "efficiency")
    store.set_aside(built.folder)
    for row in tables["efficiency"]:
        row["seconds"] = 1234.0
    assert publish(store, "efficiency", tables).fingerprint == built.fingerprint
    publish_runs(grown)
    assert query(grown, "SELECT DISTINCT seconds FROM efficiency").rows == ((1234.0,),)


@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_runs_mend_a_warehouse_that_cannot_be_read(grown: Path, damage: str) -> None:
    kept = contents(grown)
    file = current_warehouse(grown)
    file.unlink() if damage == "gone" else file.write_bytes(b"nothing")
    publish_runs(grown)
    assert contents(grown) == kept


def test_tables_of_a_stage_that_is_gone_are_left_out(grown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "TABLES", {name: table for name, table in TABLES.items() if name != "tokens"})
    build_warehouse(grown)
    assert query(grown, "SELECT count(*) FROM tokens").rows == ((0,),)


def contents(root: Path) -> dict[str, list[tuple[object, ...]]]:
    with open_warehouse(root) as connection:
        return {name: sorted(connection.table(name).fetchall(), key=repr) for name in TABLES}
