"""Artifacts that the report tests share, written once."""

from pathlib import Path

import pytest

from pipeline_core.report.inputs import ReportInputs
from tests.report.artifacts import make_inputs
from tests.report.claim_artifacts import World
from tests.report.sweep_artifacts import with_sweeps


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ReportInputs:
    return make_inputs(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(scope="session")
def hostile_inputs(tmp_path_factory: pytest.TempPathFactory) -> ReportInputs:
    return make_inputs(tmp_path_factory.mktemp("hostile"), hostile=True)


@pytest.fixture(scope="session")
def page(inputs: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from pipeline_core.report.build import REPORT_FILE, build_report

    folder = tmp_path_factory.mktemp("report")
    build_report(inputs, inputs.config.report, folder)
    return folder / REPORT_FILE


@pytest.fixture(scope="session")
def swept(inputs: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> ReportInputs:
    return with_sweeps(inputs, tmp_path_factory.mktemp("sweeps"))


@pytest.fixture(scope="session")
def swept_page(swept: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from pipeline_core.report.build import REPORT_FILE, build_report

    folder = tmp_path_factory.mktemp("swept-report")
    build_report(swept, swept.config.report, folder)
    return folder / REPORT_FILE


@pytest.fixture(scope="session")
def claim_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("claims"))


@pytest.fixture(scope="session")
def claim_inputs(claim_world: World) -> ReportInputs:
    return claim_world.inputs()
