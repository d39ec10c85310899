"""The rules of the verdicts, as fixed beforehand in claims.yaml: statistic, direction, threshold."""

import functools
from collections.abc import Mapping
from importlib import resources
from typing import Literal

from pipeline_core.program_yaml import read_program_yaml
from pipeline_core.report import text
from pipeline_core.settings import Section

Unit = Literal["ratio", "points", "share", "number"]

_RULES = resources.files("pipeline_core.report") / "claims.yaml"

SIGNIFICANT = 0.05
"""What the corrected p of a case must lie below."""

_NEEDED = {"all": "in every case", "majority": "in most cases", "any": "in one case at least"}


class Part(Section):
    """One statistic that bears on a claim; the fields are explained at the head of claims.yaml."""

    part: str
    query: str | None = None
    values: Mapping[str, str | float] = {}
    statistic: str
    unit: Unit
    direction: Literal["above", "below", "within"]
    threshold: float
    needed: Literal["all", "majority", "any"]
    decides: bool = True
    timed: bool = False
    greatest: float | None = None
    paper_value: float | None = None
    missing: str | None = None

    @property
    def question(self) -> str:
        """The question of sql/ that measures it."""
        return f"claims/{self.query or self.part}"

    @property
    def title(self) -> str:
        """Its name in words."""
        return self.part.replace("_", " ")

    @property
    def asked(self) -> str:
        """What each case must show, and how many cases: above 0 points with q < 0.05, in most cases."""
        place = "within ±" if self.direction == "within" else f"{self.direction} "
        return f"{place}{self._written_threshold} with q < {SIGNIFICANT}, {_NEEDED[self.needed]}"

    def beyond(self, value: float) -> float:
        """Return how far a value lies on the side that supports the claim; negative on the other side."""
        match self.direction:
            case "above":
                return value - self.threshold
            case "below":
                return self.threshold - value
        return self.threshold - abs(value)

    @property
    def bounds(self) -> tuple[float, ...]:
        """What a value must lie apart from, to support the claim or to speak against it."""
        return (-self.threshold, self.threshold) if self.direction == "within" else (self.threshold,)

    def written(self, value: float) -> str:
        """Write a value of the statistic in its unit: +9.1 points, 54.2%, 0.53."""
        match self.unit:
            case "points":
                return f"{text.points(value)} points"
            case "share":
                return text.percent(value)
        return text.number(value)

    def written_size(self, size: float) -> str:
        """Write a distance between values: 4.5 points, 3.1%, 0.12."""
        return f"{100 * size:.1f} points" if self.unit == "points" else self.written(size)

    def written_interval(self, low: float, high: float) -> str:
        """Write a range of values, the unit left out where it stands beside: +8.9 to +9.3, 0.5 to 0.6."""
        match self.unit:
            case "points":
                return text.points_interval(low, high)
            case "share":
                return text.interval(low, high)
        return f"{text.number(low)} to {text.number(high)}"

    @property
    def _written_threshold(self) -> str:
        percent = f"{100 * self.threshold:g}".replace("-", "−")
        match self.unit:
            case "points":
                return f"{percent} points"
            case "share":
                return f"{percent}%"
        return text.number(self.threshold)


class Claim(Section):
    """A claim of the paper, where the paper supports it, and the parts that it is judged by."""

    claim: int
    statement: str
    paper: str
    parts: tuple[Part, ...]


@functools.cache
def load_claims() -> tuple[Claim, ...]:
    """Return the claims of the paper with their rules, in its order."""
    return tuple(Claim.model_validate(rule) for rule in read_program_yaml(_RULES.read_text(encoding="utf-8")))
