"""Charts: marks inside their panels, axes that hold their values, labels that do not collide."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import isotonic_regression

from pipeline_core.report import axes
from pipeline_core.report import facts as facts_module
from pipeline_core.report.build import Shown
from pipeline_core.report.chart import HEIGHT, WIDTH, Charts, Level, Point, Series, draw, extent, spread
from pipeline_core.report.text import percent
from tests.report.drawn import charted
from tests.report.sweep_artifacts import SHARES

NUMBER = r"-?\d+(?:\.\d+)?"


def test_marks_lie_inside_their_panels_and_lines_run_to_the_right(figures: dict[str, Shown]) -> None:
    panels = charted(figures)
    assert len(panels) > 30
    for panel in panels:
        assert panel.marks
        for marks in panel.marks:
            for path in (marks.line, marks.band, marks.filled, marks.hollow):
                for x, y in re.findall(rf"({NUMBER}) ({NUMBER})", path):
                    assert 0 <= float(x) <= WIDTH
                    assert 0 <= float(y) <= HEIGHT
            across = [float(x) for x in re.findall(rf"({NUMBER}) {NUMBER}", marks.line)]
            assert across == sorted(set(across))


def test_ticks_are_in_order_on_their_axes(figures: dict[str, Shown]) -> None:
    for panel in charted(figures):
        for axis in (panel.x, panel.y):
            places = [tick.at for tick in axis.ticks]
            assert len(places) >= 2
            assert places == sorted(set(places))
            assert 0 <= places[0] <= places[-1] <= 1


def test_labels_beside_a_panel_do_not_collide(figures: dict[str, Shown]) -> None:
    most = 0
    for panel in charted(figures):
        tops = [label.top for label in panel.labels]
        most = max(most, len(tops))
        assert all(after - before >= 0.0619 for before, after in pairwise(tops))
        assert all(0 <= top <= 1 for top in tops)
    assert 6 < most < 12  # more are a table


@given(st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=15).map(sorted), st.floats(0.001, 1 / 14))
def test_spread_is_isotonic_regression(wanted: list[float], gap: float) -> None:
    steps = gap * np.arange(len(wanted))
    expected = isotonic_regression(np.array(wanted) - steps, y_min=0, y_max=1 - steps[-1]) + steps
    np.testing.assert_allclose(spread(wanted, gap), expected, atol=1e-9)


def test_what_does_not_collide_stays_where_it_is() -> None:
    assert spread([0.1, 0.5, 0.9], 0.2) == pytest.approx([0.1, 0.5, 0.9])


def test_an_axis_of_zeros_alone_reaches_one_point() -> None:
    assert axes.linear([0.0, 0.0], axes.signed_points, margin=0.05).ticks[-1].label == "+1"


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=9), st.sampled_from([0.0, 0.05]))
def test_a_linear_axis_holds_its_values_and_marks_round_ones(values: list[float], margin: float) -> None:
    axis = axes.linear(values, repr, margin=margin)
    assert axis.low <= min(values) <= max(values) <= axis.high
    marks = [float(tick.label) for tick in axis.ticks]
    for tick, mark in zip(axis.ticks, marks, strict=True):
        assert tick.at == pytest.approx(axis.at(mark))
    steps = np.diff(marks)
    if len(steps):
        assert f"{steps[0]:.0e}"[0] in "125"


@given(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=9))
def test_decades_hold_their_values_at_logarithmic_places(values: list[float]) -> None:
    axis = axes.decades(values, repr)
    assert axis.low <= min(values) * (1 + 1e-9)
    assert max(values) <= axis.high * (1 + 1e-9)
    assert len(axis.ticks) >= 2
    for tick in axis.ticks:
        exponent = np.log10(float(tick.label))
        assert exponent == pytest.approx(round(exponent))
        share = (exponent - np.log10(axis.low)) / (np.log10(axis.high) - np.log10(axis.low))
        assert tick.at == pytest.approx(share)


def test_measured_values_are_marked_where_they_are_not_crowded() -> None:
    axis = axes.measured(SHARES, axes.bare_percentages)
    assert [tick.label for tick in axis.ticks] == ["0.1", "0.25", "0.5", "1", "2", "5"]
    assert axis.at(0.005) == pytest.approx(np.log(5) / np.log(50))
    crowded = axes.measured([1, 50, 99, 100], "{:g}".format)
    assert [tick.label for tick in crowded.ticks] == ["1", "50", "100"]


@pytest.mark.parametrize(("value", "tick"), [(0.1, "+10"), (-0.025, "−2.5"), (0.0, "0"), (-0.0, "0"), (3 * 0.1, "+30")])
def test_ticks_of_differences_have_signs(value: float, tick: str) -> None:
    assert axes.signed_points(value) == tick


def test_a_level_far_above_is_named_and_does_not_press_the_lines_down() -> None:
    line = Series("raw", "line-raw", (Point(0, 0.1, 0.1, 0.1), Point(1, 0.2, 0.2, 0.2)))
    far, near = Level("far", "line-other", 0.9), Level("near", "line-centred", 0.25, across=False)
    y = axes.linear(extent([line], [far, near]), axes.percentages)
    assert y.high == 0.25
    panel = draw("t", "", [line], axes.linear([0, 1], "{:g}".format, "x"), y, percent, [far, near], labelled=True)
    assert [label.text for label in panel.labels] == ["90.0% far ↑", "25.0% near", "raw"]
    assert [path for _, path in panel.levels] == ["M310 0.0H320"]
    assert panel.key == (("line-raw", "raw"), ("line-other", "far"))
    assert "far: 90.0% throughout" in panel.description
    assert "raw: 10.0% at 0, 20.0% at 1, highest 20.0% at 1" in panel.description


def test_points_that_are_not_sure_are_hollow() -> None:
    dots = (Point(0, 0.1, 0.0, 0.2, True), Point(1, 0.2, 0.1, 0.3, False))
    x, y = axes.linear([0, 1], "{:g}".format), axes.linear([0, 0.4], "{:g}".format)
    (marks,) = draw("t", "", [Series("s", "c", dots, "dots")], x, y, percent).marks
    assert (marks.filled, marks.hollow) == ("M0.0 120.0h0", "M320.0 80.0h0")
    assert marks.intervals == "M0.0 160.0V80.0M320.0 120.0V40.0"
    assert not marks.line
    assert not marks.band


def test_lines_of_one_figure_differ_in_dashes_or_thickness_and_not_in_tone_alone(figures: dict[str, Shown]) -> None:
    sheet = (Path(str(facts_module._SQL)).parent / "templates" / "figures.css").read_text(encoding="utf-8")
    looks = {}
    for selectors, rule in re.findall(r"^(\.line-[^{]*)\{([^}]*--tone[^}]*)\}", sheet, re.MULTILINE):
        dashes, thickness = (re.search(rf"--{name}: ([^;]*);", rule) for name in ("dash", "thickness"))
        for style in re.findall(r"line-\w+", selectors):
            looks[style] = (dashes and dashes[1], thickness and thickness[1])
    for figure in figures.values():
        if isinstance(figure.drawn.content, Charts):
            assert len({looks[style] for style, _ in figure.drawn.content.key}) == len(figure.drawn.content.key) >= 3
