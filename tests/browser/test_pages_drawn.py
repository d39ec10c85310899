"""Every page of the application in a real browser, with captions in HTML: it reads well and goes by keyboard."""

import pytest

from tests.browser.every_page import EveryPage, places

pytestmark = pytest.mark.browser


class TestDrawn(EveryPage):
    @pytest.fixture(scope="class")
    def pages(self, address: str) -> dict[str, str]:
        return places(address)
