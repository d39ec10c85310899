"""Templates of pages, with the report's words for numbers and its style sheets."""

from collections.abc import Mapping
from importlib import resources
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Template

from pipeline_core.app.pages import Page, Visit, in_order
from pipeline_core.report.templating import environment

_REPORT = resources.files("pipeline_core.report") / "templates"
_APP = resources.files("pipeline_core.app") / "static"


def static_files() -> dict[str, tuple[bytes, str]]:
    """Return the files that pages share, with their media types: the report's looks and ours, one script."""
    sheets = [_REPORT / name for name in ("style.css", "tables.css", "figures.css")]
    own = sorted((file for file in _APP.iterdir() if file.name.endswith(".css")), key=lambda file: file.name)
    scripts = sorted((file for file in _APP.iterdir() if file.name.endswith(".js")), key=lambda file: file.name)
    return {
        "style.css": (b"\n".join(file.read_bytes() for file in (*sheets, *own)), "text/css"),
        "app.js": (b"\n".join(file.read_bytes() for file in (_REPORT / "theme.js", *scripts)), "text/javascript"),
    }


class Rendering:
    """Turns what pages show into HTML; what users and data say is text, wherever it stands."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        """Read every page's template, so that one that is wrong is told at the start."""
        self._environment = environment("pipeline_core.app")
        self._bar = [page for page in in_order() if page.place is not None]
        self._templates: dict[str, Template] = {
            name: self._environment.from_string(page.template()) for name, page in pages.items()
        }

    def page(self, visit: Visit, shown: Mapping[str, Any]) -> str:
        """Return a page."""
        page = visit.page
        common = self._common(page.name, page.title) | {
            "path": page.path,
            "link": visit.link,
            "given": visit.given,
            "run_id": visit.run_id,
            "credit": visit.credit,
            "older": not visit.is_latest,
        }
        return self._templates[page.name].render(common | dict(shown))

    def refused(self, status: int, title: str, problem: str, remedy: str = "") -> HTMLResponse:
        """Return the page that says what is wrong."""
        template = self._environment.get_template("refused.html")
        common = self._common("refused", title) | {"link": lambda path: path}
        return HTMLResponse(template.render(common, problem=problem, remedy=remedy), status)

    def _common(self, name: str, title: str) -> dict[str, Any]:
        return {
            "name": name,
            "title": title,
            "in_bar": self._bar,
            "run_id": None,
            "older": False,
            "path": "/",
            "credit": None,
        }
