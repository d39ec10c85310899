"""What a table of the report is made of, and how a number of several seeds is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline_core.report.facts import Answer

NOTHING = "–"
"""A cell that nothing was measured for."""


@dataclass(frozen=True)
class Cell:
    """What a cell says, a second line in small print, and whether it stands out."""

    text: str
    small: str = ""
    strong: bool = False


@dataclass(frozen=True)
class Heading:
    """A column's heading; numeric columns are set flush right."""

    text: str
    small: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Table:
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
    low, high = write(row[f"{before}low"]), write(row[f"{before}high"])
    return Cell(write(row[f"{before}value"]), f"{low} to {high}" if low != high else "", strong)


def over_seeds(answer: Answer) -> str:
    """Say what small print means in a table of :func:`seeded` cells; '' for a single seed."""
    count: int = max(answer.rows["n_repetitions"].to_list(), default=1)
    return "" if count == 1 else f" Mean over {count} seeds, with the range that they span."


def printed(value: float) -> str:
    """Write a number of the paper with the digits that it has there: 18.57, 0.5674, 58,978."""
    return f"{value:,.10g}"
