"""A real Chromium, and the report that it opens."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from pipeline_core.report.build import REPORT_FILE, build_report
from pipeline_core.report.settings import ReportSettings
from tests.browser.chromium import chromium
from tests.report.artifacts import make_run
from tests.report.sweep_artifacts import with_sweeps


def barriers(page: Page) -> list[str]:
    """Return what axe-core finds that keeps people out, of serious or critical impact, and where."""
    found = Axe().run(page).response["violations"]
    grave = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    return [f"{rule['id']}: {node['html'][:120]}" for rule in grave for node in rule["nodes"]]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session", params=[False, True], ids=["plain", "hostile"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    plain = make_run(tmp_path_factory.mktemp("artifacts"), hostile=request.param)
    inputs = with_sweeps(plain, tmp_path_factory.mktemp("sweeps")).told()
    folder = tmp_path_factory.mktemp("report")
    build_report(inputs, ReportSettings(), folder)
    return folder / REPORT_FILE
