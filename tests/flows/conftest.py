"""One real Prefect server and one analysed small data set, shared by the tests of flows and commands."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness

from flows.compare import compare
from pipeline_core.config import AnalysisConfig
from tests.shared import filled_once, own_copy
from tests.small import picture_folder, small_config


@pytest.fixture(scope="package")
def server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture(scope="package")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled_once(tmp_path_factory, "pictures", picture_folder)


@pytest.fixture(scope="package")
def config(pictures: Path) -> AnalysisConfig:
    return small_config(pictures)


@pytest.fixture(scope="package")
def analysed(server: None, config: AnalysisConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that holds one completed run of ``config``."""
    filled = filled_once(tmp_path_factory, "analysed", lambda store: compare(config, store=str(store)))
    return own_copy(tmp_path_factory, filled)
