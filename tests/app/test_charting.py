"""Charts of answers: which columns they take by themselves, where bars and points lie, and what cannot be drawn."""

import pytest

from pipeline_core.app.charting import Form, chart, numeric
from pipeline_core.errors import QueryError
from pipeline_core.warehouse.query import QueryResult

ANSWER = QueryResult(
    ("task", "gain", "share", "sure"),
    ("VARCHAR", "DOUBLE", "DOUBLE", "BOOLEAN"),
    (("t2i", 2.0, 0.5, True), ("i2t", -2.0, 0.25, False), (None, None, 0.75, None), ("nan", float("nan"), 1.0, True)),
)


def test_columns_with_numbers_alone_are_told() -> None:
    assert numeric(ANSWER) == ["share"]
    assert numeric(QueryResult(ANSWER.columns, ANSWER.types, ANSWER.rows[:3])) == ["gain", "share"]


def test_bars_reach_from_zero_to_their_values() -> None:
    drawn = chart(QueryResult(ANSWER.columns, ANSWER.types, ANSWER.rows[:3]), "bars", "", "")
    assert drawn.columns == ("task", "gain")
    first, second = drawn.bars
    assert (first.label, first.value, second.label) == ("t2i", 2.0, "i2t")
    assert (first.left, first.width) == pytest.approx((0.5, 0.5))
    assert (second.left, second.width) == pytest.approx((0.0, 0.5))


@pytest.mark.parametrize(("form", "path"), [("points", "M"), ("line", "L")])
def test_points_lie_at_both_columns(form: Form, path: str) -> None:
    rows = tuple((str(n), float(n), float(n * n)) for n in (2, 0, 1))
    drawn = chart(QueryResult(("name", "a", "b"), ("VARCHAR", "DOUBLE", "DOUBLE"), rows), form, "", "")
    assert (drawn.columns, drawn.n) == (("a", "b"), 3)
    assert drawn.x is not None
    assert drawn.x.at(0.0) < drawn.x.at(1.0) < drawn.x.at(2.0)
    assert drawn.path.count(path) == (3 if form == "points" else 2)


@pytest.mark.parametrize(
    ("form", "x", "y", "told"),
    [
        ("bars", "task", "task", "bars of task and task cannot be drawn; numbers: share"),
        ("points", "", "gone", "points of share and gone cannot be drawn"),
        ("line", "task", "share", "line of task and share cannot be drawn"),
    ],
)
def test_what_cannot_be_drawn_is_told(form: Form, x: str, y: str, told: str) -> None:
    with pytest.raises(QueryError, match=told):
        chart(ANSWER, form, x, y)
