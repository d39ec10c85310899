"""One service for all tests of it, with what it is told to log as lines of JSON, and an analysis nothing disturbed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.inline import InlineRunner
from flows.running import run_plan
from pipeline_core.config import AnalysisConfig
from pipeline_core.planner.planning import plan_analysis
from tests.long.service import Running, lens
from tests.small import picture_folder, small_config


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service of a store that was empty when it started."""
    store = tmp_path_factory.mktemp("service") / "store"
    told = lens("up", "--store", str(store), LENS_LOG="json")
    assert "http://127.0.0.1:" in told
    yield Running(store)
    lens("down", "--store", str(store))


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures enough that an extraction can be killed before its end."""
    return picture_folder(tmp_path_factory.mktemp("pictures") / "pictures", n=96)


@pytest.fixture(scope="session")
def config(pictures: Path) -> AnalysisConfig:
    """A small analysis of a dual encoder."""
    return small_config(pictures, "model.name=reference-contrastive", "compare_with=[]")


@pytest.fixture(scope="session")
def undisturbed(config: AnalysisConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a run of that analysis alone, without a server."""
    store = tmp_path_factory.mktemp("undisturbed") / "store"
    run_plan("analyze", plan_analysis(config), store, InlineRunner())
    return store
