"""The report in a real browser, as it is used: its theme, keys, folds and what it copies."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.looking import SCHEMES, Scheme, opened

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_follows_the_system_and_the_button(browser: Browser, report: Path, scheme: Scheme) -> None:
    dark = "matchMedia('(prefers-color-scheme: dark)').matches"
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    grounds = {}
    with opened(browser, report.as_uri(), 1440, scheme) as (page, _):
        assert page.evaluate(dark) is (scheme == "dark")
        grounds["system"] = page.evaluate(ground)
        for theme in ("light", "dark", "system"):
            page.locator("#theme").focus()
            page.keyboard.press("Enter")
            assert page.locator("#theme").inner_text() == f"Theme: {theme}"
            assert page.evaluate(ground) == grounds.setdefault(theme, page.evaluate(ground))
    assert grounds["light"] != grounds["dark"]
    assert grounds["system"] == grounds[scheme]


def test_the_keyboard_reaches_everything(browser: Browser, report: Path) -> None:
    with opened(browser, report.as_uri(), 820, "light") as (page, _):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the findings"
        summary = page.locator("#figure-recall summary")
        summary.focus()
        page.keyboard.press("Enter")
        assert page.locator("#figure-recall pre").is_visible()
        assert "retrieval_metrics m" in page.locator("#figure-recall pre").inner_text()
        scrolling = page.locator(".scroll")
        assert all(scrolling.nth(n).get_attribute("tabindex") == "0" for n in range(scrolling.count()))


def test_buttons_copy_the_text_prepared(browser: Browser, report: Path) -> None:
    with opened(browser, report.as_uri(), 1440, "light") as (page, complaints):
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        for name, ending in (("Markdown", "md"), ("LaTeX", "tex"), ("CSV", "csv")):
            button = page.locator(f"#table-zero-shot [data-copies=copy-zero-shot-{ending}]")
            assert button.inner_text() == name
            button.focus()
            page.keyboard.press("Enter")
            page.get_by_text(f"{name} copied", exact=True).wait_for()
            written = (report.parent / "tables" / f"zero-shot.{ending}").read_text(encoding="utf-8")
            assert page.evaluate("navigator.clipboard.readText()") == written
        assert complaints == []


def test_where_the_clipboard_is_refused_the_text_is_selected(browser: Browser, report: Path) -> None:
    with opened(browser, report.as_uri(), 820, "light") as (page, complaints):
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('refused')); }")
        page.locator("[data-copies=copy-whitening-csv]").click()
        page.locator("#copy-whitening-csv").wait_for(state="visible")
        page.get_by_text("Selected: copy it").wait_for()
        written = (report.parent / "tables" / "whitening.csv").read_text(encoding="utf-8")
        assert page.evaluate("getSelection().toString()").strip() == written.strip()
        assert complaints == []


def test_a_link_into_a_fold_opens_it(browser: Browser, report: Path) -> None:
    with opened(browser, report.as_uri(), 1440, "light") as (page, _):
        assert not page.locator("#table-removal").is_visible()
        page.locator(".paper-items a[href='#table-removal']").click()
        page.locator("#table-removal").wait_for(state="visible")
        box = page.locator("#table-removal").bounding_box()
        assert box is not None
        assert 0 <= box["y"] < 900


@pytest.mark.parametrize(("width", "unfolded"), [(390, False), (1440, True)])
def test_the_list_of_the_papers_items_starts_folded_where_it_is_narrow(
    browser: Browser, report: Path, width: int, unfolded: bool
) -> None:
    with opened(browser, report.as_uri(), width, "light") as (page, _):
        assert page.locator(".paper-items").is_visible() is unfolded
        summary = page.locator("#paper-items > summary")
        summary.focus()
        page.keyboard.press("Enter")
        assert page.locator(".paper-items").is_visible() is not unfolded
