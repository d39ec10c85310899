"""How measurements become verdicts, by the rule at the head of claims.yaml, and the verdicts in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import fmean
from typing import Literal

from pipeline_core.report.claim_rules import SIGNIFICANT, Claim, Part

Verdict = Literal["holds", "fails", "not measurable here"]

_NAMED_CASES = 5
"""Cases that a sentence names before it counts the rest."""


@dataclass(frozen=True)
class Measurement:
    """One case in one repetition; ``low`` and ``high`` end its 95% interval, ``q`` is of its paired test."""

    case: str
    repetition: int
    value: float
    low: float | None = None
    high: float | None = None
    q: float | None = None

    def passes(self, rule: Part) -> bool:
        """Say whether it lies strictly beyond the threshold, and by the test that the part asks for."""
        sign = 1.0 if rule.direction == "above" else -1.0
        bound = sign * rule.threshold
        if not sign * self.value > bound:
            return False
        match rule.test:
            case "interval":
                return self.low is not None and self.high is not None and min(sign * self.low, sign * self.high) > bound
            case "q":
                return self.q is not None and self.q < SIGNIFICANT
        return True


@dataclass(frozen=True)
class CaseVerdict:
    """One case in the repetitions in which it was measured, in their order."""

    name: str
    measurements: tuple[Measurement, ...]
    passes: tuple[bool, ...]

    @property
    def passed(self) -> bool:
        """It passed in every repetition."""
        return all(self.passes)

    @property
    def disputed(self) -> bool:
        """It passed in some repetitions only."""
        return any(self.passes) and not self.passed


@dataclass(frozen=True)
class PartVerdict:
    """What one part of a claim showed.

    Attributes:
        rule: by which it was judged.
        cases: that were measured.
        sql: the query that measured it, None if it has none.
        why_missing: why there are no cases, where there are none.
        verdict: the part's own.
        n_passed: cases that passed in every repetition.
        value: mean over the cases and repetitions; None without cases.
    """

    rule: Part
    cases: tuple[CaseVerdict, ...]
    sql: str | None
    why_missing: str
    verdict: Verdict
    n_passed: int
    value: float | None

    @property
    def by_repetition(self) -> dict[int, float]:
        """Mean over the cases, for each repetition."""
        ordered = sorted(self._measurements, key=lambda m: m.repetition)
        return {n: fmean(m.value for m in own) for n, own in groupby(ordered, key=lambda m: m.repetition)}

    @property
    def found(self) -> str:
        """The value in its unit; an en dash without cases."""
        return "–" if self.value is None else self.rule.written(self.value)

    @property
    def spread(self) -> str:
        """The lowest and the highest mean of a repetition; '' when there is only one."""
        means = self.by_repetition.values()
        if len(means) < 2:
            return ""
        alike = self.rule.written(min(means)) == self.rule.written(max(means))
        return f"{'the same' if alike else self.rule.written_interval(min(means), max(means))} over {len(means)} seeds"

    @property
    def result(self) -> str:
        """What was found and asked for, how many cases passed, and which did not."""
        average = " on average" if len(self.cases) > 1 else ""
        spread = f" ({self.spread})" if self.spread else ""
        count = f"{self.n_passed} of {len(self.cases)}"
        if 0 < self.n_passed < len(self.cases):
            count += f", not {_listed([case.name for case in self.cases if not case.passed])}"
        said = f"{self.found}{average}{spread}; needed: {self.rule.asked}; passed: {count}."
        disputed = [case.name for case in self.cases if case.disputed]
        return f"{said} Seeds disagree on {_listed(disputed)}." if disputed else said

    @property
    def _measurements(self) -> list[Measurement]:
        return [m for case in self.cases for m in case.measurements]


@dataclass(frozen=True)
class ClaimVerdict:
    """The verdict on one claim, what it rests on, and the numbers that decided, in a sentence or a few."""

    rule: Claim
    parts: tuple[PartVerdict, ...]
    verdict: Verdict
    reason: str

    @property
    def deciding(self) -> tuple[PartVerdict, ...]:
        """The parts that decide, without those shown beside."""
        return tuple(part for part in self.parts if part.rule.decides)

    @property
    def main(self) -> PartVerdict:
        """The first deciding part of the claim's own verdict."""
        return next(part for part in self.deciding if part.verdict == self.verdict)


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on all claims of the paper, in its order."""

    claims: tuple[ClaimVerdict, ...]

    def of(self, claim: int) -> ClaimVerdict:
        """Return the verdict on a claim by its number.

        Raises:
            KeyError: the paper has no claim of that number.
        """
        by_number = {verdict.rule.claim: verdict for verdict in self.claims}
        return by_number[claim]


def judge_part(rule: Part, measured: Iterable[Measurement], sql: str | None, why_missing: str) -> PartVerdict:
    """Judge one part.

    Args:
        rule: the part's rule.
        measured: every case in every repetition in which it was measured.
        sql: the query that measured it, None if it has none.
        why_missing: the reason to give when nothing was measured.
    """
    ordered = sorted(measured, key=lambda m: (m.case, m.repetition))
    by_case = ((name, tuple(own)) for name, own in groupby(ordered, key=lambda m: m.case))
    cases = tuple(CaseVerdict(name, own, tuple(m.passes(rule) for m in own)) for name, own in by_case)
    if not cases:
        return PartVerdict(rule, (), sql, why_missing, "not measurable here", 0, None)
    passed = sum(case.passed for case in cases)
    enough = {"all": passed == len(cases), "majority": 2 * passed > len(cases), "any": passed > 0}[rule.needed]
    return PartVerdict(rule, cases, sql, "", "holds" if enough else "fails", passed, fmean(m.value for m in ordered))


def judge_claim(rule: Claim, parts: Sequence[PartVerdict]) -> ClaimVerdict:
    """Judge a claim by its deciding parts: it fails if one fails, else is not measurable if one is not, else holds."""
    found = {part.verdict for part in parts if part.rule.decides}
    verdict: Verdict = next((v for v in ("fails", "not measurable here") if v in found), "holds")
    judged = ClaimVerdict(rule, tuple(parts), verdict, "")
    return replace(judged, reason=_reason(judged))


def _reason(claim: ClaimVerdict) -> str:
    main = claim.main
    said = f"{_statistic(claim, main)}: {main.result}"
    others = [part for part in claim.deciding if part is not main and part.verdict == claim.verdict]
    heading = {"holds": "These hold too", "fails": "These fail too"}
    if claim.verdict == "not measurable here":
        missing = "; ".join(dict.fromkeys(part.why_missing for part in claim.deciding if part.why_missing))
        said = f"{missing[0].upper()}{missing[1:]}."
        others = [part for part in claim.deciding if part.verdict == "holds"]
    named = ", ".join(f"{part.rule.title} ({part.found})" for part in others)
    return f"{said} {heading.get(claim.verdict, 'These hold so far')}: {named}." if named else said


def _statistic(claim: ClaimVerdict, part: PartVerdict) -> str:
    """Say what a part measures, with the part before it where it says "the same"."""
    said = part.rule.statistic
    if said.startswith("the same"):
        said = f"{claim.parts[claim.parts.index(part) - 1].rule.statistic}; {said}"
    return f"{said[0].upper()}{said[1:]}"


def _listed(names: Sequence[str]) -> str:
    """Join names, each one that holds a comma in brackets, so that it stays one; the rest beyond a few is counted."""
    shown = [f"({name})" if "," in name else name for name in names[:_NAMED_CASES]]
    if len(names) > _NAMED_CASES:
        shown.append(f"{len(names) - _NAMED_CASES} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
