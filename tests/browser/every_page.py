"""What every page of the application is held to, whichever store it is of: a file a store, as workers share files."""

import httpx
import pytest
from playwright.sync_api import Browser

from tests.app.walking import walked
from tests.browser.looking import PROBE, Scheme, barriers, opened

LOOKS: tuple[tuple[int, Scheme], ...] = ((390, "light"), (820, "dark"), (1440, "light"))
WIDEST = max(width for width, _ in LOOKS)
FOCUSABLE = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']"


def places(address: str) -> dict[str, str]:
    """Return an address of each page of a server, by its path."""
    with httpx.Client(base_url=address, timeout=120) as client:
        return {name: address + place for name, place in walked(client).items()}


class EveryPage:
    """The tests; a class of them has the fixture ``pages``, the addresses by name."""

    @pytest.mark.parametrize(("width", "scheme"), LOOKS)
    def test_every_page_reads_well(self, browser: Browser, pages: dict[str, str], width: int, scheme: Scheme) -> None:
        """Hold every page, with all folds open, to what ``probe.js`` measures and to axe-core."""
        for name, place in pages.items():
            with opened(browser, place, width, scheme) as (page, complaints):
                page.evaluate("for (const fold of document.querySelectorAll('main details')) fold.open = true")
                found = page.evaluate(PROBE)
                assert barriers(page, colours=width < WIDEST) == [], name
            assert complaints == [], name
            assert found["lines"] > 10, name
            for fault in ("overflow", "cut", "overlaps", "faint"):
                assert found[fault] in (0, []) or (fault == "overflow" and found[fault] < 0), (
                    name,
                    fault,
                    found[fault],
                )

    def test_the_keyboard_reaches_all_of_every_page(self, browser: Browser, pages: dict[str, str]) -> None:
        """Go through every page by the tab key alone."""
        for name, place in pages.items():
            with opened(browser, place) as (page, complaints):
                page.evaluate("addEventListener('focusin', (event) => { event.target.dataset.reached = '' })")
                shown = f"[...document.querySelectorAll({FOCUSABLE!r})].filter((one) => one.checkVisibility())"
                for _ in range(2 * page.evaluate(f"{shown}.length") + 5):  # scrolled text takes a stop, too
                    page.keyboard.press("Tab")
                left = f"{shown}.filter((one) => !('reached' in one.dataset)).map((one) => one.outerHTML)"
                assert page.evaluate(left) == [], name
                assert complaints == [], name
