"""Artifacts that the report tests share, written once."""

from pathlib import Path

import pytest

from pipeline_core.report.build import Shown
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.settings import ReportSettings
from tests.report.artifacts import make_run
from tests.report.claim_artifacts import World
from tests.report.drawn import figures_of
from tests.report.sweep_artifacts import with_sweeps
from tests.report.world import RunWorld


@pytest.fixture(scope="session")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> RunWorld:
    return make_run(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(scope="session")
def inputs(plain_run: RunWorld) -> ReportInputs:
    return plain_run.told()


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> RunWorld:
    return make_run(tmp_path_factory.mktemp("hostile"), hostile=True)


@pytest.fixture(scope="session")
def page(inputs: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from pipeline_core.report.build import REPORT_FILE, build_report

    folder = tmp_path_factory.mktemp("report")
    build_report(inputs, ReportSettings(), folder)
    return folder / REPORT_FILE


@pytest.fixture(scope="session")
def swept_run(plain_run: RunWorld, tmp_path_factory: pytest.TempPathFactory) -> RunWorld:
    return with_sweeps(plain_run, tmp_path_factory.mktemp("sweeps"))


@pytest.fixture(scope="session")
def swept(swept_run: RunWorld) -> ReportInputs:
    return swept_run.told()


@pytest.fixture(scope="session")
def figures(swept: ReportInputs) -> dict[str, Shown]:
    return figures_of(swept)


@pytest.fixture(scope="session")
def swept_page(swept: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from pipeline_core.report.build import REPORT_FILE, build_report

    folder = tmp_path_factory.mktemp("swept-report")
    build_report(swept, ReportSettings(), folder)
    return folder / REPORT_FILE


@pytest.fixture(scope="session")
def claim_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("claims"))


@pytest.fixture(scope="session")
def claim_run(claim_world: World) -> RunWorld:
    return claim_world.run()


@pytest.fixture(scope="session")
def claim_inputs(claim_run: RunWorld) -> ReportInputs:
    return claim_run.told()
