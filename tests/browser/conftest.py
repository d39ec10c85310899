"""A real Chromium, and the report that it opens."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from pipeline_core.report.build import REPORT_FILE, build_report
from tests.report.artifacts import make_inputs
from tests.report.sweep_artifacts import with_sweeps


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "install Chromium (Debian: apt-get install chromium) to run the tests marked browser"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session", params=[False, True], ids=["plain", "hostile"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    plain = make_inputs(tmp_path_factory.mktemp("artifacts"), hostile=request.param)
    inputs = with_sweeps(plain, tmp_path_factory.mktemp("sweeps"))
    folder = tmp_path_factory.mktemp("report")
    build_report(inputs, inputs.config.report, folder)
    return folder / REPORT_FILE
