"""The service in a real browser: deployments, a run's page with what it left, a form that is refused with a reason.

Pictures of what was seen are put into the folder that RETRIEVAL_LENS_SHOTS names.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline_core.config import AnalysisConfig
from tests.browser.chromium import chromium
from tests.long.service import Running

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def page(running: Running) -> Iterator[Page]:
    """A page of the service's server, patient with a machine that runs an analysis beside it."""
    state = running.service.read()
    assert state
    with chromium() as browser:
        page = browser.new_page(base_url=state.url, viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield page


def shoot(page: Page, name: str) -> None:
    if folder := os.environ.get("RETRIEVAL_LENS_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled")


def test_every_deployment_is_listed_with_what_it_is(running: Running, page: Page) -> None:
    page.goto("/deployments")
    for name in ("interactive", "nightly-generative", "nightly-contrastive", "after-nightly", "weekly", "hourly"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    # A service that has said that it is there has a worker that asked for runs.
    expect(page.get_by_text("Not Ready", exact=True)).to_have_count(0)
    shoot(page, "deployments")
    page.goto(f"/deployments/deployment/{running.deployment('analyze/nightly-generative')['id']}")
    page.get_by_text("Description", exact=True).first.click()
    expect(page.get_by_text("The reference MLLM, every night.").first).to_be_visible()
    shoot(page, "deployment")


def test_a_wrong_value_is_refused_with_its_field_and_what_is_allowed(running: Running, page: Page) -> None:
    page.goto(f"/deployments/deployment/{running.deployment('analyze/interactive')['id']}/run")
    field = page.locator(".p-label").filter(has=page.get_by_text("Threads (Optional)", exact=True)).last
    field.locator("input").fill("-3")
    page.get_by_role("button", name="Submit").click()
    reason = "Validation failed for field 'config.placement.threads'. Failure reason: -3 is less than the minimum of 1"
    expect(page.get_by_text(reason).first).to_be_visible()
    shoot(page, "refused")


def test_a_run_informs_on_its_page(running: Running, page: Page, config: AnalysisConfig) -> None:
    run = running.start("analyze/interactive", {"config": config.model_dump(mode="json", by_alias=True)})
    assert running.end_of(run, 600)["type"] == "COMPLETED"
    page.goto(f"/runs/flow-run/{run}")
    expect(page.get_by_text("reference-contrastive on folder pictures").first).to_be_visible()
    shoot(page, "run")
    page.get_by_text("Artifacts", exact=True).first.click()
    for key in ("steps", "results", "whole-report"):
        expect(page.get_by_text(key, exact=True).first).to_be_visible()
    shoot(page, "artifacts")
    for key, shown in (("results", "95% interval"), ("steps", "peak memory, MiB")):
        page.goto(f"/runs/flow-run/{run}")
        page.get_by_text("Artifacts", exact=True).first.click()
        page.get_by_text(key, exact=True).first.click()
        expect(page.get_by_text(shown).first).to_be_visible()
        shoot(page, key)
