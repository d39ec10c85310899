"""Line charts as marks to draw: lines with the range of their repetitions, dots, levels, labels that do not collide."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_core.report.axes import Axis, Writer

WIDTH, HEIGHT = 320.0, 160.0
"""Drawing units of a panel; it is stretched to its place on the page, the strokes are not."""

_LABEL_HEIGHT = 0.062
"""Height of a label beside a panel, as a share of the panel's."""

MARGIN = 0.05
"""Share of the range of values that an axis leaves free beyond them."""

_SIDE = 10.0
"""Length of a level's mark at the side, in drawing units."""

_FAR = 1.6
"""A level this many times above the highest line is named at the top instead of pressing the lines to the floor."""


@dataclass(frozen=True)
class Point:
    """A value with its range or interval; ``sure`` is false where a test did not tell it from nothing."""

    x: float
    value: float
    low: float
    high: float
    sure: bool = True


@dataclass(frozen=True)
class Series:
    """Points of one kind, by x. ``style`` is the class that gives tone, dashes and width.

    ``form`` is ``line``, ``dotted line`` (a line with a dot at each point) or ``dots`` (each with its interval).
    """

    label: str
    style: str
    points: tuple[Point, ...]
    form: str = "line"


@dataclass(frozen=True)
class Level:
    """A value without an x: a line ``across`` the panel, or a mark at its side, beside which its label stands."""

    label: str
    style: str
    value: float
    across: bool = True


@dataclass(frozen=True)
class Marks:
    """What is drawn of one series: SVG path data, empty where there is nothing of the kind."""

    style: str
    line: str
    band: str
    intervals: str
    filled: str
    hollow: str


@dataclass(frozen=True)
class Label:
    """Words beside a panel: the place from its top, 0 to 1."""

    text: str
    style: str
    top: float


@dataclass(frozen=True)
class Panel:
    """One chart. ``description`` says in words what it shows; levels are (style, path), the key (style, what it is).

    Dots with intervals are no part of the key: what they are is the panel's title.
    """

    title: str
    note: str
    x: Axis
    y: Axis
    marks: tuple[Marks, ...]
    levels: tuple[tuple[str, str], ...]
    labels: tuple[Label, ...]
    key: tuple[tuple[str, str], ...]
    description: str


@dataclass(frozen=True)
class PanelRow:
    """Panels side by side under a heading: ``large`` with labels beside them, ``folded`` until they are asked for."""

    title: str
    panels: tuple[Panel, ...]
    large: bool = False
    folded: bool = False


@dataclass(frozen=True)
class Charts:
    """A figure of charts in rows."""

    rows: tuple[PanelRow, ...]

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """What each style stands for, (style, label), in the order of first use."""
        return tuple(dict.fromkeys(entry for row in self.rows for panel in row.panels for entry in panel.key))


def draw(
    title: str,
    note: str,
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    write: Writer,
    levels: Sequence[Level] = (),
    labelled: bool = False,
) -> Panel:
    """Lay out one panel.

    Args:
        title: heading.
        note: a small line under it.
        series: what is drawn.
        x: the axis across.
        y: the axis up, which need not hold every level (see ``extent``).
        write: writes a value of ``y`` with its unit.
        levels: lines across the whole panel, named beside it.
        labelled: whether the series too are named beside the panel, at their ends.
    """
    named = [Label(f"{write(level.value)} {level.label}", level.style, level.value) for level in levels]
    if labelled:
        named += [Label(one.label, one.style, one.points[-1].value) for one in series if one.points]
    return Panel(
        title,
        note,
        x,
        y,
        tuple(_marks(one, x, y) for one in series),
        tuple(
            (level.style, f"M{0 if level.across else WIDTH - _SIDE:g} {_up(level.value, y)}H{WIDTH:g}")
            for level in levels
            if y.low <= level.value <= y.high
        ),
        beside(named, y),
        (
            *((one.style, one.label) for one in series if one.form != "dots"),
            *((one.style, one.label) for one in levels if one.across),
        ),
        _describe(title, series, levels, x, write),
    )


def extent(series: Sequence[Series], levels: Sequence[Level] = ()) -> list[float]:
    """Return the values that an axis from zero must hold: all of the series, and the levels that are not far above."""
    held = [0.0] + [value for one in series for point in one.points for value in (point.low, point.value, point.high)]
    reach = _FAR * max(held)
    return held + [level.value for level in levels if level.value <= reach]


def beside(named: Sequence[Label], y: Axis) -> tuple[Label, ...]:
    """Place labels, whose ``top`` is a value, at their values, moved apart where they would collide.

    Values above the axis stand at its top with an arrow.
    """
    ordered = sorted(named, key=lambda label: (-label.top, label.text))
    tops = spread([1.0 - y.at(label.top) for label in ordered], _LABEL_HEIGHT)
    texts = [label.text + (" ↑" if label.top > y.high else "") for label in ordered]
    return tuple(Label(text, label.style, top) for text, label, top in zip(texts, ordered, tops, strict=True))


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Return places at least ``gap`` apart, in the ascending order given, as near to those wanted as can be.

    Least squares by the pool-adjacent-violators algorithm: neighbours that collide form a block around the mean of
    their wishes. The whole is then moved into 0 to 1, as far as it fits.
    """
    blocks: list[tuple[float, int]] = []
    for place, want in enumerate(wanted):
        total, size = want - place * gap, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / size:
            before, n = blocks.pop()
            total, size = total + before, size + n
        blocks.append((total, size))
    starts = [total / size for total, size in blocks for _ in range(size)]
    last = 1.0 - (len(wanted) - 1) * gap
    return [max(0.0, min(start, last)) + place * gap for place, start in enumerate(starts)]


def _marks(series: Series, x: Axis, y: Axis) -> Marks:
    points = [(_across(point.x, x), _up(point.value, y), point) for point in series.points]
    joined = series.form != "dots" and len(points) > 1
    dotted = series.form != "line" or len(points) == 1
    ranged = any(point.high > point.low for point in series.points)
    upper = [f"{across} {_up(point.high, y)}" for across, _, point in points]
    lower = [f"{across} {_up(point.low, y)}" for across, _, point in reversed(points)]
    return Marks(
        series.style,
        "M" + "L".join(f"{across} {up}" for across, up, _ in points) if joined else "",
        "M" + "L".join(upper + lower) + "Z" if joined and ranged else "",
        "" if joined else "".join(f"M{a} {_up(p.low, y)}V{_up(p.high, y)}" for a, _, p in points if p.high > p.low),
        "".join(f"M{across} {up}h0" for across, up, point in points if dotted and point.sure),
        "".join(f"M{across} {up}h0" for across, up, point in points if dotted and not point.sure),
    )


def _across(value: float, axis: Axis) -> str:
    return f"{WIDTH * axis.at(value):.1f}"


def _up(value: float, axis: Axis) -> str:
    return f"{HEIGHT * (1.0 - axis.at(value)):.1f}"


def _describe(title: str, series: Sequence[Series], levels: Sequence[Level], x: Axis, write: Writer) -> str:
    """Say in words where each series begins, ends and is highest."""
    found = [f"{level.label}: {write(level.value)} throughout" for level in levels]
    for one in (one for one in series if one.points):
        first, last = one.points[0], one.points[-1]
        highest = max(one.points, key=lambda point: point.value)
        found.append(
            f"{one.label}: {write(first.value)} at {first.x:g}, {write(last.value)} at {last.x:g}, "
            f"highest {write(highest.value)} at {highest.x:g}"
        )
    return f"{title} by {x.name}. " + "; ".join(found)
