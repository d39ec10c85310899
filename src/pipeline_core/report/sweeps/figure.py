"""What every figure of the sweeps is made of, and how rows of an answer become what it draws."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline_core.report.facts import Answer
from pipeline_core.report.inputs import ModelArtifacts, ReportInputs
from pipeline_core.report.recall import place_of
from pipeline_core.report.sweeps.chart import Point, Series
from pipeline_core.report.text import task_title


@dataclass(frozen=True)
class SweepFigure:
    """One figure: which of the paper's it answers, what it shows in a line, what is drawn, and the SQL of its numbers.

    ``macro`` names what draws the content in ``sweeps.html``.
    """

    anchor: str
    paper_item: str
    title: str
    statement: str
    note: str
    content: Any
    answers: tuple[Answer, ...]
    macro: str = "charts"


@dataclass(frozen=True)
class Facet:
    """Rows of one task, or, where ``task_id`` is None, of the mean over the tasks."""

    task_id: str | None
    title: str
    note: str
    rows: pl.DataFrame


def models_in(inputs: ReportInputs, rows: pl.DataFrame) -> list[tuple[ModelArtifacts, pl.DataFrame]]:
    """Return the models that have rows, the one studied first, each with its rows."""
    found = ((model, rows.filter(model=model.name)) for model in inputs.models)
    return [(model, own) for model, own in found if own.height]


def facets(rows: pl.DataFrame) -> Iterator[Facet]:
    """Split rows by task: the mean over the tasks first, then the tasks in the paper's order of types."""
    mean = rows.filter(pl.col("task_id").is_null())
    yield Facet(None, "Mean over the tasks", "hit rate at each task's own cut-off", mean)
    tasks = rows.select("task_type", "task_id", "k").drop_nulls().unique().rows()
    for task_type, task_id, k in sorted(tasks, key=lambda task: (place_of(task[0]), task[1])):
        yield Facet(task_id, task_title(task_type), f"{task_id}, hit@{k}", rows.filter(task_id=task_id))


def series(rows: pl.DataFrame, x: str, label: str, style: str, form: str = "line") -> Series:
    """Return rows with the columns ``x``, value, low and high as a series."""
    columns = rows.sort(x).select(x, "value", "low", "high").iter_rows()
    return Series(label, style, tuple(Point(float(at), value, low, high) for at, value, low, high in columns), form)


def present(*found: Series) -> list[Series]:
    """Leave out the series without points."""
    return [one for one in found if one.points]


def fitted_on(statistics: str | None) -> pl.Expr:
    """Say which rows were fitted on these statistics; None: on nothing."""
    return pl.col("fit_on").eq_missing(pl.lit(statistics, pl.String))
