"""Drawings of the application: moved, zoomed, gone through by keys, dragged over."""

import pytest
from playwright.sync_api import Browser

from tests.browser.looking import opened

pytestmark = pytest.mark.browser


def test_a_map_is_zoomed_and_moved_by_buttons_and_keys(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/map") as (page, complaints):
        page.locator("[data-drawn='80']").first.wait_for()
        canvas = page.locator("canvas").first
        seen = [canvas.evaluate("canvas => canvas.toDataURL()")]
        for act in (
            page.get_by_label("nearer").first.click,
            lambda: canvas.press("ArrowRight"),
            lambda: canvas.press("+"),
        ):
            act()
            page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            seen.append(canvas.evaluate("canvas => canvas.toDataURL()"))
        assert len(set(seen)) == 4
        page.get_by_role("button", name="whole").first.click()
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert canvas.evaluate("canvas => canvas.toDataURL()") == seen[0]
        assert complaints == []


def test_the_keyboard_goes_through_the_points_of_a_map(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/map") as (page, complaints):
        page.locator("[data-drawn='80']").first.wait_for()
        page.locator("canvas").first.focus()
        seen = set()
        for _ in range(5):
            page.keyboard.press("PageDown")
            seen.add(page.locator(".pointed").first.inner_text())
        assert len(seen) == 5
        page.keyboard.press("Enter")
        page.wait_for_url("**/sample?*")
        assert complaints == []


def test_dragging_over_a_map_lists_what_lies_there(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/map") as (page, complaints):
        page.locator("[data-drawn='80']").first.wait_for()
        box = page.locator("canvas").first.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 2, box["y"] + 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2, steps=4)
        page.mouse.up()
        page.get_by_text("80 chosen, 60 shown").wait_for()
        assert page.locator("[data-lists] a").count() == 60
        assert complaints == []


def test_dragging_over_the_drawing_filters_the_table(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/features") as (page, complaints):
        page.locator("[data-drawn='380']").wait_for()
        box = page.locator("canvas").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 4)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] * 0.4, steps=4)
        page.mouse.up()
        page.wait_for_url("**energy_from=**")
        told = page.locator("#table").inner_text()
        assert 0 < int(told.split()[0]) < 380
        assert complaints == []
