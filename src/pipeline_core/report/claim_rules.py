"""The rules of the verdicts, as fixed beforehand in claims.yaml: statistic, direction, threshold, test."""

import functools
from collections.abc import Mapping
from importlib import resources
from typing import Literal

import yaml

from pipeline_core.report import text
from pipeline_core.settings import Section

Unit = Literal["ratio", "points", "share", "number"]

_RULES = resources.files("pipeline_core.report") / "claims.yaml"

SIGNIFICANT = 0.05
"""What the corrected p of a paired test must lie below."""

_TESTS = {"none": "", "interval": " with its whole 95% interval", "q": f" with q < {SIGNIFICANT}"}
_NEEDED = {"all": "in every case", "majority": "in most cases", "any": "in one case at least"}


class Part(Section):
    """One statistic that bears on a claim; the fields are explained at the head of claims.yaml."""

    part: str
    query: str | None = None
    values: Mapping[str, str | float] = {}
    statistic: str
    unit: Unit
    direction: Literal["above", "below"]
    threshold: float
    test: Literal["none", "interval", "q"] = "none"
    needed: Literal["all", "majority", "any"]
    decides: bool = True
    timed: bool = False
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
        return f"{self.direction} {self._written_threshold}{_TESTS[self.test]}, {_NEEDED[self.needed]}"

    def written(self, value: float) -> str:
        """Write a value of the statistic in its unit: +9.1 points, 54.2%, 0.53."""
        match self.unit:
            case "points":
                return f"{text.points(value)} points"
            case "share":
                return text.percent(value)
        return text.number(value)

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
    return tuple(Claim.model_validate(rule) for rule in yaml.safe_load(_RULES.read_text(encoding="utf-8")))
