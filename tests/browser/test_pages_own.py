"""Every page of a folder of somebody's own pictures in a real browser: it reads well and goes by keyboard."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.app.conftest import served
from tests.browser.every_page import EveryPage, places
from tests.browser.looking import barriers, opened

pytestmark = pytest.mark.browser


FINDINGS = ("recall", "density", "energy")


@pytest.fixture(scope="module")
def own(inline_store: Path) -> Iterator[str]:
    with served(inline_store) as found:
        yield found


class TestOwn(EveryPage):
    @pytest.fixture(scope="class")
    def pages(self, own: str) -> dict[str, str]:
        return places(own)


def test_two_tasks_fill_the_first_screen_of_the_report(browser: Browser, own: str) -> None:
    with opened(browser, f"{own}/report") as (page, complaints):
        boxes = [page.locator(place).bounding_box() for place in ("main", *(f"#figure-{n}" for n in FINDINGS))]
        main, recall, density, energy = (box for box in boxes if box is not None)
        assert recall["width"] > 0.98 * main["width"]
        assert density["y"] == energy["y"] > recall["y"]
        assert density["y"] + density["height"] == pytest.approx(energy["y"] + energy["height"], abs=1)
        assert barriers(page) == complaints == []
