"""A chart of an answer: bars of one column by another, or two columns as points or a line; places, which pages draw."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline_core.errors import QueryError
from pipeline_core.report.axes import Axis, linear
from pipeline_core.report.chart import HEIGHT, MARGIN, WIDTH
from pipeline_core.report.text import number
from pipeline_core.warehouse.query import QueryResult

Form = Literal["bars", "points", "line"]

MOST_BARS, MOST_POINTS = 60, 5000


@dataclass(frozen=True)
class Bar:
    """A row: from ``left`` over ``width``, shares of the axis; 0 lies on it."""

    label: str
    value: float
    left: float
    width: float


@dataclass(frozen=True)
class Chart:
    """What is drawn.

    Attributes:
        form: bars, points or a line.
        columns: those across and up; of bars, the labels' and the values'.
        n: rows that are drawn: the first of those that have numbers.
        bars: of bars alone.
        x: the axis across, but of bars.
        y: the axis of the values.
        path: SVG path data in a field of the report's charts, but of bars.
    """

    form: Form
    columns: tuple[str, str]
    n: int
    bars: tuple[Bar, ...]
    x: Axis | None
    y: Axis
    path: str


def numeric(result: QueryResult) -> list[str]:
    """Return the columns with numbers alone, some at least, beside NULL."""
    found = []
    for place, name in enumerate(result.columns):
        values = [row[place] for row in result.rows if row[place] is not None]
        if values and all(_is_number(value) for value in values):
            found.append(name)
    return found


def chart(result: QueryResult, form: Form, x: str, y: str) -> Chart:
    """Draw an answer.

    Args:
        result: the answer.
        form: how.
        x: the column across, or of the labels; '' is the first that is no number, of points the first that is one.
        y: the column of the values; '' is the first other one with numbers.

    Raises:
        QueryError: there is no such column, or none with numbers.
    """
    numbers = numeric(result)
    others = [name for name in result.columns if name not in numbers]
    across = x or next(iter([*others, *numbers] if form == "bars" else numbers), "")
    up = y or next((name for name in numbers if name != across), across)
    fit = result.columns if form == "bars" else numbers
    if across not in fit or up not in numbers:
        told = ", ".join(numbers) or "none"
        raise QueryError(f"{form} of {across or 'nothing'} and {up or 'nothing'} cannot be drawn", f"numbers: {told}")
    columns = [result.columns.index(name) for name in (across, up)]
    rows = [(row[columns[0]], float(row[columns[1]])) for row in result.rows if _is_number(row[columns[1]])]
    if form == "bars":
        rows = rows[:MOST_BARS]
        axis = linear([0.0, *(value for _, value in rows)], number, up)
        bars = tuple(_bar(label, value, axis) for label, value in rows)
        return Chart(form, (across, up), len(bars), bars, None, axis, "")
    places = [(float(one), value) for one, value in rows if _is_number(one)][:MOST_POINTS]
    if not places:
        raise QueryError(f"no row has both {across} and {up}", "choose other columns")
    if form == "line":
        places.sort()
    axes = [linear([place[n] for place in places], number, name, MARGIN) for n, name in enumerate((across, up))]
    return Chart(form, (across, up), len(places), (), axes[0], axes[1], _path(places, axes[0], axes[1], form))


def _bar(label: Any, value: float, axis: Axis) -> Bar:
    zero, end = axis.at(0.0), axis.at(value)
    return Bar("NULL" if label is None else str(label), value, min(zero, end), abs(end - zero))


def _path(places: Sequence[tuple[float, float]], x: Axis, y: Axis, form: Form) -> str:
    at = [f"{WIDTH * x.at(one):.1f} {HEIGHT * (1 - y.at(other)):.1f}" for one, other in places]
    # A stroke of no length with round ends is a dot.
    return "M" + ("L".join(at) if form == "line" else "M".join(f"{one}h0" for one in at))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
