"""The report in a real browser: light and dark, narrow and wide, nothing overlaps, is cut, is faint or is fetched."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.looking import PROBE, SCHEMES, Scheme, barriers, opened

WIDTHS = (360, 820, 1440, 1600)
NARROW, WIDE = 390, 1440

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_reads_well(browser: Browser, report: Path, width: int, scheme: Scheme) -> None:
    with opened(browser, report.as_uri(), width, scheme) as (page, complaints):
        found = page.evaluate(PROBE)
        assert complaints == []
    assert found["lines"] > 300
    assert found["overflow"] <= 0
    assert found["cut"] == []
    assert found["overlaps"] == []
    assert found["faint"] == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_it_reads_well_with_everything_unfolded(browser: Browser, report: Path, width: int, scheme: Scheme) -> None:
    with opened(browser, report.as_uri(), width, scheme) as (page, _):
        page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
        found = page.evaluate(PROBE)
        assert barriers(page, colours=width == NARROW) == []
    assert found["overflow"] <= 0
    assert found["cut"] == []
    assert found["faint"] == []


def test_it_opens_with_the_pictures(browser: Browser, report: Path) -> None:
    with opened(browser, report.as_uri(), 1440, "light") as (page, _):
        for figure in ("recall", "density", "energy"):
            box = page.locator(f"#figure-{figure}").bounding_box()
            assert box is not None
            assert box["y"] < 900
