"""What a table of the report is made of, and how a number of several seeds is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline_core.report.facts import Answer

NOTHING = "–"
"""A cell that nothing was measured for."""


@dataclass(frozen=True)
class Cell:
    """What a cell says, a second line in small print, and whether it stands out.

    ``value``, ``low`` and ``high`` are the numbers that it says, not rounded, in the unit of the table's SQL (shares
    of one): every cell under a numeric heading that says more than ``NOTHING`` has some.
    """

    text: str
    small: str = ""
    strong: bool = False
    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Heading:
    """A column's heading; numeric columns are set flush right."""

    text: str
    small: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class ReportTable:
    """A table: id of its place, caption, what it shows in one line, headings, rows (the first cell heads its row).

    ``paper_rows`` are the paper's own, below those of this run.
    """

    anchor: str
    caption: str
    statement: str
    headings: Sequence[Heading]
    rows: Sequence[Sequence[Cell]]
    answers: tuple[Answer, ...] = ()
    paper_rows: Sequence[Sequence[Cell]] = ()

    @property
    def all_rows(self) -> Sequence[Sequence[Cell]]:
        """This run's rows and the paper's."""
        return [*self.rows, *self.paper_rows]


def listed(
    anchor: str,
    caption: str,
    statement: str,
    answer: Answer,
    columns: Mapping[Heading, Callable[[Mapping[str, Any]], Cell]],
) -> ReportTable:
    """Return a table with a row for each of an answer's: its headings, and how each column is written of a row."""
    rows = [[write(row) for write in columns.values()] for row in answer.rows.iter_rows(named=True)]
    return ReportTable(anchor, caption, statement, list(columns), rows, (answer,))


def quantity(value: float | None, write: Callable[[float], str]) -> Cell:
    """Return a number as a cell; None: not measured."""
    return Cell(NOTHING) if value is None else Cell(write(value), value=value)


def count(number: int | None) -> Cell:
    """Return a whole number as a cell, its thousands set apart; None: not counted."""
    return Cell(NOTHING) if number is None else Cell(f"{number:,}", value=number)


def bounded(
    value: float,
    low: float,
    high: float,
    write: Callable[[float], str],
    write_interval: Callable[[float, float], str],
    strong: bool = False,
) -> Cell:
    """Return a number as a cell, with its 95% interval below it."""
    return Cell(write(value), write_interval(low, high), strong, value, low, high)


def modality_words(modality: str) -> str:
    """Spell out a modality: image_text is picture + text."""
    return modality.replace("image_text", "picture + text").replace("image", "picture")


def seeded(row: Mapping[str, Any] | None, write: Callable[[float], str], strong: bool = False, name: str = "") -> Cell:
    """Return a mean over the seeds as a cell, with the range that they span below it where they differ.

    Args:
        row: the columns ``value``, ``low`` and ``high``, each after ``<name>_`` where it is given; None: not measured.
        write: writes one number.
        strong: the cell stands out.
        name: what comes before the columns' names.
    """
    before = f"{name}_" if name else ""
    if row is None or row[f"{before}value"] is None:
        return Cell(NOTHING)
    value, low, high = (row[f"{before}{column}"] for column in ("value", "low", "high"))
    least, most = write(low), write(high)
    return Cell(write(value), f"{least} to {most}" if least != most else "", strong, value, low, high)


def over_seeds(answer: Answer) -> str:
    """Say what small print means in a table of :func:`seeded` cells; '' for a single seed."""
    count: int = max(answer.rows["n_repetitions"].to_list(), default=1)
    return "" if count == 1 else f" Mean over {count} seeds, with the range that they span."


def printed(value: float) -> str:
    """Write a number of the paper with the digits that it has there: 18.57, 0.5674, 58,978."""
    return f"{value:,.10g}"
