"""The application by keyboard and bit by bit: the bar, a feature, the theme, parts that come later."""

import pytest
from playwright.sync_api import Browser

from tests.app.world import SAE
from tests.browser.looking import opened

pytestmark = pytest.mark.browser


def test_the_keyboard_reaches_pages_features_and_theme(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/") as (page, complaints):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        page.get_by_role("link", name="Features", exact=True).focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/features")
        first = page.locator("table.features tbody a").first
        first.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/feature?*")
        assert page.locator("h1").inner_text().startswith("Feature ")
        page.locator("#theme").focus()
        page.keyboard.press("Enter")
        assert page.locator("#theme").inner_text() == "Theme: light"
        scrolling = page.locator(".scroll")
        assert all(scrolling.nth(n).get_attribute("tabindex") == "0" for n in range(scrolling.count()))
        assert complaints == []


def test_parts_that_take_time_come_where_their_link_stood(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/feature?sae={SAE}&feature=3") as (page, complaints):
        page.locator(".histogram").first.wait_for()
        assert page.locator(".histogram").count() == 2
        assert page.get_by_role("link", name="How strongly, on how many").count() == 0
        assert page.url.endswith("/feature?sae=reference-mllm/paper&feature=3")
        assert complaints == []
