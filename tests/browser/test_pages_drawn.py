"""Every page of the application in a real browser, with captions in HTML: it reads well and goes by keyboard."""

import pytest
from playwright.sync_api import Browser

from tests.browser.every_page import LOOKS, assert_it_reads_well, assert_the_keyboard_reaches_all, places
from tests.browser.looking import Scheme

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pages(address: str) -> dict[str, str]:
    return places(address)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_every_page_reads_well(browser: Browser, pages: dict[str, str], width: int, scheme: Scheme) -> None:
    assert_it_reads_well(browser, pages, width, scheme)


def test_the_keyboard_reaches_all_of_every_page(browser: Browser, pages: dict[str, str]) -> None:
    assert_the_keyboard_reaches_all(browser, pages)
