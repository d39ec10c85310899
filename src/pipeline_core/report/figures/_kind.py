"""What a figure owns: its place on the page, what of the paper it answers, its questions, and what it draws."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_core.report.facts import Answer, Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.pictures import Pictures
from pipeline_core.report.settings import ReportSettings
from pipeline_core.report.summary import Summary
from pipeline_core.warehouse.parameters import Value

FINDINGS = "findings"
"""The section that opens the page."""

SWEEPS = "sweeps"
"""The section of what ``lens sweep`` measures."""

CHARTS = '{% from "figures.html" import charts %}{{ charts(content) }}'
"""The template of line charts."""


@dataclass(frozen=True)
class Drawing:
    """What a figure is drawn from."""

    inputs: ReportInputs
    facts: Facts
    settings: ReportSettings
    pictures: Pictures
    summary: Summary


@dataclass(frozen=True)
class Drawn:
    """What a figure shows.

    Attributes:
        statement: what it shows, with the numbers.
        note: how it is to be read; may be empty.
        content: what its template draws: a ``chart.Charts``, where it has none of its own.
        answers: the rows that it shows, whose SQL stands below it.
    """

    statement: str
    note: str
    content: Any
    answers: Sequence[Answer]


class Figure(ABC):
    """A member of the kind.

    Attributes:
        name: the name of its module.
        title: its heading.
        place: where it stands among the others.
        section: of the page: ``FINDINGS``, ``SWEEPS``, or any other name, which is a section after these.
        fills: its title and statement head its section; its content begins with headings of the third level.
        paper_item: what of the paper it answers, as is said beside its title.
        paper: the paper's items that it is a counterpart of, each with a few words on what is here.
        wide: it has the wide column of the section that opens the page.
    """

    name: str
    title: str
    place: int
    section: str = SWEEPS
    fills: bool = False
    paper_item: str | None = None
    paper: tuple[tuple[str, str], ...] = ()
    wide: bool = False

    @property
    def anchor(self) -> str:
        """What links to it lead to."""
        return self.section if self.fills else f"figure-{self.name}"

    @abstractmethod
    def draw(self, drawing: Drawing) -> Drawn | None:
        """Draw it; None where the run holds nothing to draw.

        Raises:
            DataError: a picture that is shown cannot be read.
        """

    def template(self) -> str:
        """Return what draws its ``content``: ``<name>.html`` beside its module, or line charts where there is none."""
        own = self._beside(f"{self.name}.html")
        return own.read_text(encoding="utf-8") if own.is_file() else CHARTS

    def ask(self, facts: Facts, what: str = "", /, **values: Value) -> Answer:
        """Answer a question of its own: the SQL beside its module in ``<name>.sql``, or ``<name>_<what>.sql``."""
        sql = self._beside(f"{self.name}_{what}.sql" if what else f"{self.name}.sql")
        return facts.answer(sql.read_text(encoding="utf-8").strip(), values)

    def _beside(self, name: str) -> Path:
        return Path(str(sys.modules[type(self).__module__].__file__)).with_name(name)
