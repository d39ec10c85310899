"""How rows of an answer become what a figure draws."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from pipeline_core.report.chart import Point, Series
from pipeline_core.report.inputs import ReportedModel, ReportInputs
from pipeline_core.report.recall import place_of
from pipeline_core.report.text import task_title


@dataclass(frozen=True)
class Facet:
    """Rows of one task, or, where ``task_id`` is None, of the mean over the tasks."""

    task_id: str | None
    title: str
    note: str
    rows: pl.DataFrame


def models_in(inputs: ReportInputs, rows: pl.DataFrame) -> list[tuple[ReportedModel, pl.DataFrame]]:
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


@dataclass(frozen=True)
class Method:
    """An adaptation on one kind of statistics: its label, and its colour role (None: it has none of its own)."""

    label: str
    colour: str
    rows: pl.DataFrame


def methods(rows: pl.DataFrame) -> list[Method]:
    """Split rows by method and statistics, in their order; those of candidates are what a method is taken to be on."""
    found = []
    for (label, fit_on, colour), own in rows.group_by(["method", "fit_on", "colour"], maintain_order=True):
        on = "" if fit_on in (None, "candidates") else f", {fit_on}"
        found.append(Method(f"{label}{on}", str(colour or "rival"), own))
    return found


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
