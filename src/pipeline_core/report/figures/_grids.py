"""Grids of hit rates, shaded by their height, above dots with intervals task by task."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline_core.report.facts import Answer, Facts
from pipeline_core.report.figures._kind import Drawing, Drawn, Figure
from pipeline_core.report.figures._rows import Facet, models_in
from pipeline_core.report.recall import Score, realigned


@dataclass(frozen=True)
class GridCell:
    """Mean hit rate over the tasks with its range over the repetitions; ``shade`` is its share of the grid's best."""

    value: float
    low: float
    high: float
    shade: float
    best: bool


@dataclass(frozen=True)
class Grid:
    """Rows by name, which are each a ``row_is``, by columns; a cell that was not swept is None."""

    title: str
    row_is: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[GridCell | None, ...]]


@dataclass(frozen=True)
class TaskDots:
    """One task: a row a system, (label, kind, score)."""

    title: str
    note: str
    chance: float
    rows: tuple[tuple[str, str, Score], ...]


@dataclass(frozen=True)
class GridViews:
    """One model's grids and dots; axes end at ``scale``, a share."""

    model: str
    grids: tuple[Grid, ...]
    dots: tuple[TaskDots, ...]
    scale: float


def views(model: str, grids: Sequence[Grid], dots: Sequence[TaskDots]) -> GridViews:
    """Put grids and dots of one model together, under one axis."""
    highest = max((score.high for task in dots for *_, score in task.rows), default=1.0)
    return GridViews(model, tuple(grids), tuple(dots), max(highest, 1e-9))


def grid(
    title: str, rows: pl.DataFrame, row: tuple[str, Mapping[str, str]], column: tuple[str, Mapping[str, str]]
) -> Grid:
    """Lay out a grid.

    Args:
        title: its heading.
        rows: one a cell, with the columns value, low, high.
        row: the column that says in which row of the grid a cell is, and what its values are called.
        column: likewise, in which column.
    """
    found = {(cell[row[0]], cell[column[0]]): cell for cell in rows.iter_rows(named=True)}
    best = max((cell["value"] for cell in found.values()), default=0.0)

    def drawn(place: tuple[str, str]) -> GridCell | None:
        cell = found.get(place)
        if cell is None:
            return None
        value = cell["value"]
        return GridCell(value, cell["low"], cell["high"], value / best if best else 0.0, value == best)

    cells = {words: tuple(drawn((name, other)) for other in column[1]) for name, words in row[1].items()}
    return Grid(title, row[0], tuple(column[1].values()), cells)


def task_dots(facet: Facet, rows: Sequence[tuple[str, str, Mapping[str, Any]]], system: str = "") -> TaskDots:
    """Return a task's dots, of (label, kind, row of the answer), each with its 95% interval."""
    note = f"{facet.note}, {system}" if system else facet.note
    dots = tuple(
        (label, kind, Score(row["model"], row["value"], row["interval_low"], row["interval_high"]))
        for label, kind, row in rows
    )
    return TaskDots(facet.title, note, facet.rows["chance"][0], dots)


class GridFigure(Figure):
    """A figure of grids, model by model; None where the run has not swept what they show."""

    def template(self) -> str:
        """Return what draws the views of all such figures."""
        return Path(__file__).with_suffix(".html").read_text(encoding="utf-8")

    def draw(self, drawing: Drawing) -> Drawn | None:
        """Draw the views of each model of the answer, with a statement of each."""
        answer = self.answer(drawing.facts)
        found = models_in(drawing.inputs, answer.rows)
        if not found:
            return None
        return Drawn(
            " ".join(self.statement(model.name, own) for model, own in found),
            self.note(", ReAlign by the candidates' statistics" if realigned(answer.rows) else ""),
            tuple(self.views(model.name, own) for model, own in found),
            (answer,),
        )

    @abstractmethod
    def answer(self, facts: Facts) -> Answer:
        """Ask for the rows that it shows."""

    @abstractmethod
    def note(self, reading: str) -> str:
        """Return how it is to be read; ``reading`` tells, after a comma, which ReAlign it shows, or is empty."""

    @abstractmethod
    def statement(self, model: str, own: pl.DataFrame) -> str:
        """Return what the rows of a model show, with the numbers."""

    @abstractmethod
    def views(self, model: str, own: pl.DataFrame) -> GridViews:
        """Return the grids and dots of a model's rows."""
