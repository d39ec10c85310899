"""The application in a real browser, with captions in HTML: it reads well, asks nobody else, and goes by keyboard."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.app.conftest import served
from tests.app.walking import walked
from tests.app.world import SAE, tiny_store_of
from tests.browser.conftest import barriers
from tests.browser.test_report import PROBE, Scheme

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tiny_store_of(tmp_path_factory)) as found:
        yield found


@contextmanager
def opened(
    browser: Browser, address: str, width: int = 1440, scheme: Scheme = "light"
) -> Iterator[tuple[Page, list[str]]]:
    """Open a page; yields it and what it complained of or asked of others."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    origin = "/".join(address.split("/")[:3])
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda r: None if r.url.startswith((origin, "data:")) else complaints.append(r.url))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    yield page, complaints
    context.close()


FINDINGS = ("recall", "density", "energy")
FOCUSABLE = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']"


@pytest.fixture(scope="module", params=["drawn", "own"])
def store(request: pytest.FixtureRequest, address: str) -> Iterator[dict[str, str]]:
    """All pages of two stores: of what was drawn, and of a folder of somebody's own pictures."""
    if request.param == "own":
        with served(request.getfixturevalue("inline_store")) as own, httpx.Client(base_url=own, timeout=120) as client:
            yield {name: own + place for name, place in walked(client).items()}
    else:
        with httpx.Client(base_url=address, timeout=120) as client:
            yield {name: address + place for name, place in walked(client).items()}


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (820, "dark"), (1440, "light")])
def test_every_page_reads_well(browser: Browser, store: dict[str, str], width: int, scheme: Scheme) -> None:
    for name, place in store.items():
        with opened(browser, place, width, scheme) as (page, complaints):
            page.evaluate("for (const fold of document.querySelectorAll('main details')) fold.open = true")
            found = page.evaluate(PROBE)
            assert barriers(page) == [], name
        assert complaints == [], name
        assert found["lines"] > 10, name
        for fault in ("overflow", "cut", "overlaps", "faint"):
            assert found[fault] in (0, []) or (fault == "overflow" and found[fault] < 0), (name, fault, found[fault])


def test_the_keyboard_reaches_all_of_every_page(browser: Browser, store: dict[str, str]) -> None:
    for name, place in store.items():
        with opened(browser, place) as (page, complaints):
            page.evaluate("addEventListener('focusin', (event) => { event.target.dataset.reached = '' })")
            shown = f"[...document.querySelectorAll({FOCUSABLE!r})].filter((one) => one.checkVisibility())"
            for _ in range(2 * page.evaluate(f"{shown}.length") + 5):  # scrolled text takes a stop, too
                page.keyboard.press("Tab")
            missed = page.evaluate(f"{shown}.filter((one) => !('reached' in one.dataset)).map((one) => one.outerHTML)")
            assert missed == [], name
            assert complaints == [], name


def test_two_tasks_fill_the_first_screen_of_the_report(browser: Browser, inline_store: Path) -> None:
    with served(inline_store) as own, opened(browser, f"{own}/report") as (page, complaints):
        boxes = [page.locator(place).bounding_box() for place in ("main", *(f"#figure-{n}" for n in FINDINGS))]
        main, recall, density, energy = (box for box in boxes if box is not None)
        assert recall["width"] > 0.98 * main["width"]
        assert density["y"] == energy["y"] > recall["y"]
        assert density["y"] + density["height"] == pytest.approx(energy["y"] + energy["height"], abs=1)
        assert barriers(page) == complaints == []


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


def test_parts_that_take_time_come_where_their_link_stood(browser: Browser, address: str) -> None:
    with opened(browser, f"{address}/feature?sae={SAE}&feature=3") as (page, complaints):
        page.locator(".histogram").first.wait_for()
        assert page.locator(".histogram").count() == 2
        assert page.get_by_role("link", name="How strongly, on how many").count() == 0
        assert page.url.endswith("/feature?sae=reference-mllm/paper&feature=3")
        assert complaints == []


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
