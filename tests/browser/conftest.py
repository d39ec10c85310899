"""A real Chromium, the application that it opens over a tiny store, and the report; made once for all workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from pipeline_core.report.build import REPORT_FILE, build_report
from pipeline_core.report.settings import ReportSettings
from tests.app.conftest import served
from tests.app.world import tiny_store_of
from tests.browser.chromium import chromium
from tests.report.artifacts import make_run
from tests.report.sweep_artifacts import with_sweeps
from tests.shared import filled_once


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tiny_store_of(tmp_path_factory)) as found:
        yield found


@pytest.fixture(scope="session", params=[False, True], ids=["plain", "hostile"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def fill(folder: Path) -> None:
        run = make_run(folder / "artifacts", hostile=request.param)
        (folder / "report").mkdir()
        build_report(with_sweeps(run, folder / "sweeps").told(), ReportSettings(), folder / "report")

    return filled_once(tmp_path_factory, f"report-{request.param}", fill) / "report" / REPORT_FILE
