"""Every page of the application, found as a visitor finds them: by the links of those before."""

import html
import re
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

import httpx

from pipeline_core.app.pages import PAGES


class Bare(HTMLParser):
    """Collects the numbers of a page that stand neither with their value nor in words, and that no model computed."""

    TAGS = frozenset(
        {"data", "a", "option", "nav", "footer", "code", "output", "small", "h1", "title", "time", "script", "summary"}
    )
    """Values of a query; names of features, samples, tasks and runs; what is typed."""
    CLASSES = frozenset({"words", "texts-of", "note", "item", "pointed", "score", "number", "made"})
    """Captions, explanations, scores and parts of scores, which no query gives."""
    SECTIONS = frozenset({"near", "effects"})
    """Cosines of the dictionary; intervals and q of a removal, which may be measured on demand."""
    VOID = frozenset({"br", "i", "img", "input", "link", "meta", "path", "rect"})
    CONSTANTS = re.compile(r"q < 0\.05|99% of the energy|95%|\d{8}T\d{6}-[0-9a-f]{6}")

    def __init__(self) -> None:
        super().__init__()
        self.within: list[bool] = []
        self.found: list[str] = []

    @classmethod
    def numbers(cls, page: str) -> list[str]:
        """Return the texts of a page that hold such numbers."""
        reading = cls()
        reading.feed(page)
        return reading.found

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        told = dict(attributes)
        names = {*(told.get("class") or "").split(), told.get("aria-labelledby")}
        exempt = tag in self.TAGS or bool(names & (self.CLASSES | self.SECTIONS))
        if tag not in self.VOID:
            self.within.append(exempt or any(self.within[-1:]))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            self.within.pop()

    def handle_data(self, data: str) -> None:
        if not any(self.within[-1:]) and re.search(r"\d", self.CONSTANTS.sub("", data)):
            self.found.append(data.strip())


def links(page: str) -> set[str]:
    """Return the addresses that a page of ours leads to or shows."""
    return {html.unescape(link) for link in re.findall(r'(?:href|src|data-points)="(/[^"]*)"', page)}


def walked(client: httpx.Client) -> dict[str, str]:
    """Return an address of each page by its path: the first that a page links to with something asked."""
    paths = {page.path for page in PAGES.values()}
    found, waiting = {"/": "/"}, ["/"]
    while waiting:
        answer = client.get(waiting.pop(0))
        assert answer.status_code == 200, answer.url
        for link in sorted(links(answer.text)):
            asked = urlsplit(link)
            values = dict(parse_qsl(asked.query))
            if asked.path not in paths or "form" in values:
                continue
            bare = found.get(asked.path) == asked.path != "/"
            if asked.path not in found or (bare and values):
                found[asked.path] = link
                waiting.append(link)
    return found
