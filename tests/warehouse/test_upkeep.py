"""Commands that take artifacts away leave a warehouse that can still be asked about all its tables."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from pipeline_core.schema import TABLES
from pipeline_core.store.artifacts import Store
from pipeline_core.warehouse.build import build_warehouse, current_warehouse
from pipeline_core.warehouse.query import query
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
