"""The report in a real browser: light and dark, narrow and wide, nothing overlaps, is cut, is faint or is fetched."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import barriers

pytestmark = pytest.mark.browser

PROBE = Path(__file__).with_name("probe.js").read_text(encoding="utf-8")
WIDTHS = (360, 820, 1440, 1600)
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@contextmanager
def opened(browser: Browser, report: Path, width: int, scheme: Scheme) -> Iterator[tuple[Page, list[str]]]:
    """Open the report; yields the page and what it complained of or asked the network for."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    address = report.as_uri()
    page.on("request", lambda r: None if r.url == address or r.url.startswith("data:") else complaints.append(r.url))
    page.goto(address)
    yield page, complaints
    context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_reads_well(browser: Browser, report: Path, width: int, scheme: Scheme) -> None:
    with opened(browser, report, width, scheme) as (page, complaints):
        found = page.evaluate(PROBE)
        assert complaints == []
    assert found["lines"] > 300
    assert found["overflow"] <= 0
    assert found["cut"] == []
    assert found["overlaps"] == []
    assert found["faint"] == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_follows_the_system_and_the_button(browser: Browser, report: Path, scheme: Scheme) -> None:
    dark = "matchMedia('(prefers-color-scheme: dark)').matches"
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    grounds = {}
    with opened(browser, report, 1440, scheme) as (page, _):
        assert page.evaluate(dark) is (scheme == "dark")
        grounds["system"] = page.evaluate(ground)
        for theme in ("light", "dark", "system"):
            page.locator("#theme").focus()
            page.keyboard.press("Enter")
            assert page.locator("#theme").inner_text() == f"Theme: {theme}"
            assert page.evaluate(ground) == grounds.setdefault(theme, page.evaluate(ground))
    assert grounds["light"] != grounds["dark"]
    assert grounds["system"] == grounds[scheme]


def test_it_opens_with_the_pictures(browser: Browser, report: Path) -> None:
    with opened(browser, report, 1440, "light") as (page, _):
        for figure in ("recall", "density", "energy"):
            box = page.locator(f"#figure-{figure}").bounding_box()
            assert box is not None
            assert box["y"] < 900


def test_the_keyboard_reaches_everything(browser: Browser, report: Path) -> None:
    with opened(browser, report, 820, "light") as (page, _):
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
    with opened(browser, report, 1440, "light") as (page, complaints):
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
    with opened(browser, report, 820, "light") as (page, complaints):
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('refused')); }")
        page.locator("[data-copies=copy-whitening-csv]").click()
        page.locator("#copy-whitening-csv").wait_for(state="visible")
        page.get_by_text("Selected: copy it").wait_for()
        written = (report.parent / "tables" / "whitening.csv").read_text(encoding="utf-8")
        assert page.evaluate("getSelection().toString()").strip() == written.strip()
        assert complaints == []


def test_a_link_into_a_fold_opens_it(browser: Browser, report: Path) -> None:
    with opened(browser, report, 1440, "light") as (page, _):
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
    with opened(browser, report, width, "light") as (page, _):
        assert page.locator(".paper-items").is_visible() is unfolded
        summary = page.locator("#paper-items > summary")
        summary.focus()
        page.keyboard.press("Enter")
        assert page.locator(".paper-items").is_visible() is not unfolded


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [390, 1440])
def test_it_reads_well_with_everything_unfolded(browser: Browser, report: Path, width: int, scheme: Scheme) -> None:
    with opened(browser, report, width, scheme) as (page, _):
        page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
        found = page.evaluate(PROBE)
        assert barriers(page) == []
    assert found["overflow"] <= 0
    assert found["cut"] == []
    assert found["faint"] == []
