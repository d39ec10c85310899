"""The page of searches in a real browser: its sliders act in place, and a picture that is chosen is searched with."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser

from tests.browser.looking import opened

pytestmark = pytest.mark.browser


def test_the_slider_changes_the_answers_in_place(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/search?sample=text:035&to=any") as (page, complaints):
        column = page.locator("section.column[aria-label$='ReAlign'] .score")
        before = column.all_inner_texts()
        page.evaluate("window.stayed = true")
        page.locator("#beta").focus()
        for _ in range(8):
            page.keyboard.press("ArrowRight")
        page.wait_for_url("**beta=0.5**")
        assert column.all_inner_texts() != before
        assert page.locator("output[for=beta]").inner_text() == "0.5"
        assert page.evaluate("window.stayed")
        assert parse_qs(urlsplit(page.url).query)["sample"] == ["text:035"]
        page.reload()
        assert page.locator("#beta").input_value() == "0.5"
        assert complaints == []


def test_the_slider_takes_features_out_in_place(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/search?sample=text:035&to=any&share=0") as (page, complaints):
        column = page.locator("section.column[aria-label$='features removed'] .score")
        before = column.all_inner_texts()
        page.locator("#share").focus()
        for _ in range(10):
            page.keyboard.press("ArrowRight")
        page.wait_for_url("**share=0.005**")
        assert page.locator("output[for=share]").inner_text() == "0.50%"
        assert column.all_inner_texts() != before
        assert complaints == []


def test_a_picture_that_is_chosen_is_searched_with(browser: Browser, address: str, tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "red").save(tmp_path / "red.png")
    (tmp_path / "no.png").write_text("no picture")
    with opened(browser, f"{address}/search") as (page, complaints):
        page.locator("input[type=file]").set_input_files(tmp_path / "red.png")
        page.wait_for_url("**picture=**")
        page.get_by_alt_text("the picture that is searched with").wait_for()
        assert complaints == []
        page.locator("input[type=file]").set_input_files(tmp_path / "no.png")
        page.get_by_text("it is of no known format").wait_for()
