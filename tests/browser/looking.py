"""A page in a real browser: how it is opened, what it complains of, and what its looks are held to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request

PROBE = Path(__file__).with_name("probe.js").read_text(encoding="utf-8")
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@contextmanager
def opened(
    browser: Browser, address: str, width: int = 1440, scheme: Scheme = "light"
) -> Iterator[tuple[Page, list[str]]]:
    """Open an address, or a file's; yields the page and what it complained of or asked of others."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    # A file may ask for nothing but itself.
    own = address if address.startswith("file:") else "/".join(address.split("/")[:3])
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda r: None if r.url.startswith((own, "data:")) else complaints.append(r.url))
    waiting: set[Request] = set()
    page.on("request", lambda request: waiting.update((request,)))
    page.on("requestfinished", lambda request: waiting.difference_update((request,)))
    page.on("requestfailed", lambda request: waiting.difference_update((request,)))
    page.goto(address)
    quiet = 0
    while quiet < 3:  # three times with nothing left to do and nothing asked for
        page.evaluate("new Promise((idle) => requestIdleCallback(idle))")
        quiet = 0 if waiting else quiet + 1
    yield page, complaints
    context.close()


def barriers(page: Page, *, colours: bool = True) -> list[str]:
    """Return what axe-core finds that keeps people out, of serious or critical impact, and where.

    Without ``colours`` contrast is left to ``probe.js``: axe-core takes four fifths of its time for it, and colours are
    the same at every width.
    """
    # Nodes of rules that hold are named, too, unless they are not asked for: that is half of its time.
    options = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": colours}}}
    found = Axe().run(page, options=options).response["violations"]
    grave = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    return [f"{rule['id']}: {node['html'][:120]}" for rule in grave for node in rule["nodes"]]
