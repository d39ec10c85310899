"""Axes of the charts: linear or logarithmic, with round ticks that do not crowd."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

Writer = Callable[[float], str]

_CLOSEST = 0.085
"""Least distance of two ticks, as a share of the axis."""

_NOTHING = 0.01
"""What an axis of zeros alone reaches: one point of a hundred, not all of them."""


@dataclass(frozen=True)
class Tick:
    """A value's place along its axis, 0 to 1, and how it is written."""

    at: float
    label: str


@dataclass(frozen=True)
class Axis:
    """Values from ``low`` (place 0) to ``high`` (place 1); ``name`` says what they are."""

    low: float
    high: float
    logarithmic: bool
    ticks: tuple[Tick, ...]
    name: str = ""

    def at(self, value: float) -> float:
        """Return the place of a value, 0 to 1; values beyond the ends stand at them."""
        return _place(value, self.low, self.high, self.logarithmic)


def percentages(share: float) -> str:
    """Write a share at a tick: 2.5%."""
    return f"{100 * share:.4g}%"


def bare_percentages(share: float) -> str:
    """Write a share at a tick of an axis that is named in percent: 2.5."""
    return f"{100 * share:.4g}"


def signed_points(delta: float) -> str:
    """Write a difference of shares at a tick, in percentage points with its sign: −2.5."""
    return f"{100 * delta:+.4g}".replace("-", "−") if delta else "0"


def linear(values: Sequence[float], write: Writer, name: str = "", margin: float = 0.0) -> Axis:
    """Return an axis that holds all the values, with round ticks inside.

    Args:
        values: what it must hold.
        write: writes a tick.
        name: what the values are.
        margin: share of their range that is added beyond each end which is not zero.
    """
    low, high = _ends(values)
    room = margin * (high - low)
    low, high = low - room * (low != 0), high + room * (high != 0)
    step = _round_step((high - low) / 5)
    marks = [n * step for n in range(ceil(_steps(low, step)), floor(_steps(high, step)) + 1)]
    return Axis(low, high, False, _ticks(marks, low, high, False, write), name)


def decades(values: Sequence[float], write: Writer, name: str = "") -> Axis:
    """Return a logarithmic axis of whole powers of ten that holds all the values, which are above zero."""
    first = floor(log10(min(values)))
    last = max(ceil(log10(max(values))), first + 1)
    marks = [10.0**n for n in range(first, last + 1)]
    return Axis(marks[0], marks[-1], True, _ticks(marks, marks[0], marks[-1], True, write), name)


def measured(values: Sequence[float], write: Writer, name: str = "") -> Axis:
    """Return a logarithmic axis with a tick at each value, which are above zero; crowded ones go unmarked."""
    low, high = _ends(values)
    return Axis(low, high, True, _ticks(sorted(set(values)), low, high, True, write), name)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low, low + (abs(low) or _NOTHING))


def _steps(value: float, step: float) -> float:
    """Return how many steps a value is, rid of the rounding that would push a whole number to the next."""
    return round(value / step, 9)


def _round_step(least: float) -> float:
    power: float = 10.0 ** floor(log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def _ticks(marks: Sequence[float], low: float, high: float, logarithmic: bool, write: Writer) -> tuple[Tick, ...]:
    """Write the last mark, and the others that are far enough from what is written on both sides."""
    kept: list[Tick] = []
    last = _place(marks[-1], low, high, logarithmic) if marks else 0.0
    for mark in marks:
        at = _place(mark, low, high, logarithmic)
        if at == last or (last - at >= _CLOSEST and (not kept or at - kept[-1].at >= _CLOSEST)):
            kept.append(Tick(at, write(mark)))
    return tuple(kept)


def _place(value: float, low: float, high: float, logarithmic: bool) -> float:
    if logarithmic:
        value, low, high = log10(max(value, low)), log10(low), log10(high)
    return min(1.0, max(0.0, (value - low) / (high - low)))
