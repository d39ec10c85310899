"""How measurements become verdicts, by the rule at the head of claims.yaml, and the verdicts in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import fmean, median
from typing import Literal

from pipeline_core.report.claim_rules import SIGNIFICANT, Claim, Part

Verdict = Literal["holds", "refuted", "not settled", "not measurable here"]
Outcome = Literal["supports", "refutes", "open", "left out"]

VERDICTS: tuple[Verdict, ...] = ("refuted", "not measurable here", "not settled", "holds")
"""A claim has the first of these that a deciding part has."""

_IN_ORDER: tuple[Verdict, ...] = ("holds", "refuted", "not settled", "not measurable here")

_NAMED_CASES = 5
"""Cases that a sentence names before it counts the rest."""

_TOO = {"holds": "These hold too", "refuted": "These are refuted too", "not settled": "These are not settled either"}


@dataclass(frozen=True)
class Measurement:
    """One case in one repetition.

    Attributes:
        case: the task, pooling, reduction ...
        repetition: its number.
        value: the statistic.
        low: lower end of its 95% interval.
        high: upper end.
        p: two-sided, of its being at the threshold.
        q: p corrected for the tests of the claim; None of a case that is left out.
        detectable: smallest distance from the threshold that would have been seen.
        left_out: why the case decides nothing; '' if it counts.
    """

    case: str
    repetition: int
    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    q: float | None = None
    detectable: float | None = None
    left_out: str = ""

    def outcome(self, rule: Part) -> Outcome:
        """Say what it does for the claim."""
        if self.left_out:
            return "left out"
        if self.q is None or self.q >= SIGNIFICANT:
            return "open"
        beyond = rule.beyond(self.value)
        return "supports" if beyond > 0 else "refutes" if beyond < 0 else "open"


@dataclass(frozen=True)
class CaseVerdict:
    """One case in the repetitions in which it was measured, in their order."""

    name: str
    measurements: tuple[Measurement, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def outcome(self) -> Outcome:
        """What it does in every repetition alike; open where they differ."""
        return self.outcomes[0] if len(set(self.outcomes)) == 1 else "open"

    @property
    def disputed(self) -> bool:
        """Repetitions differ."""
        return len(set(self.outcomes)) > 1


@dataclass(frozen=True)
class Mean:
    """The mean over a part's cases and repetitions, its 95% interval and p, and the smallest effect that could be seen.

    Interval and p are None where nothing is known of how the cases hang together, ``detectable`` without cases.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    detectable: float | None = None


@dataclass(frozen=True)
class PartVerdict:
    """What one part of a claim showed.

    Attributes:
        rule: by which it was judged.
        cases: that were measured, those that are left out among them.
        sql: the query that measured it.
        needs: what it would take to measure it; '' where it was measured.
        verdict: the part's own.
        mean: of the cases that count.
    """

    rule: Part
    cases: tuple[CaseVerdict, ...]
    sql: str
    needs: str
    verdict: Verdict
    mean: Mean

    def of(self, *outcomes: Outcome) -> list[CaseVerdict]:
        """Return the cases with one of these outcomes."""
        return [case for case in self.cases if case.outcome in outcomes]

    @property
    def counting(self) -> list[CaseVerdict]:
        """The cases that are not left out."""
        return self.of("supports", "refutes", "open")

    @property
    def value(self) -> float | None:
        """The mean over the cases and repetitions; None without cases that count."""
        return self.mean.value

    @property
    def by_repetition(self) -> dict[int, float]:
        """Mean over the cases that count, or over all where none does, for each repetition."""
        measured = [m for case in self.counting or self.cases for m in case.measurements]
        ordered = sorted(measured, key=lambda m: m.repetition)
        return {n: fmean(m.value for m in own) for n, own in groupby(ordered, key=lambda m: m.repetition)}

    @property
    def found(self) -> str:
        """The value in its unit; an en dash without cases."""
        return "–" if self.value is None else self.rule.written(self.value)

    @property
    def limits(self) -> str:
        """The ends of the mean's interval; '' where it has none."""
        low, high = self.mean.low, self.mean.high
        return "" if low is None or high is None else self.rule.written_interval(low, high)

    @property
    def seen(self) -> str:
        """The smallest effect that could have been seen, in its unit; '' without cases."""
        return "" if self.mean.detectable is None else self.rule.written_size(self.mean.detectable)

    @property
    def _sight(self) -> str:
        """What could have been seen in a case, in a sentence: nothing at all where it would exceed what is possible."""
        greatest, least = self.rule.greatest, self.mean.detectable
        if greatest is None or least is None or least <= greatest - self.rule.threshold:
            return f"The smallest effect that could have been seen in a case: {self.seen}."
        most = self.rule.written_size(greatest - self.rule.threshold)
        return (
            "No effect could have been seen in a case: with so few that are independent it would have to be "
            f"{self.seen}, and no more than {most} is possible."
        )

    @property
    def spread(self) -> str:
        """The lowest and the highest mean of a repetition; '' when there is only one."""
        means = self.by_repetition.values()
        if len(means) < 2:
            return ""
        alike = self.rule.written(min(means)) == self.rule.written(max(means))
        return f"{'the same' if alike else self.rule.written_interval(min(means), max(means))} over {len(means)} seeds"

    @property
    def counts(self) -> str:
        """How many cases support the claim and speak against it: 4 of 9 support it, 2 speak against it."""
        return f"{len(self.of('supports'))} of {len(self.counting)} support it, {len(self.of('refutes'))} refute it"

    @property
    def result(self) -> str:
        """What was found and asked for, how many cases support the claim, and which speak against it."""
        average = " on average" if len(self.counting) > 1 else ""
        limits = f" [{self.limits}]" if self.limits else ""
        spread = f" ({self.spread})" if self.spread else ""
        against = self.of("refutes")
        named = f" ({_listed([case.name for case in against])})" if 0 < len(against) < len(self.counting) else ""
        said = f"{self.found}{average}{limits}{spread}; needed: {self.rule.asked}; {self.counts}{named}."
        if self.verdict == "not settled" and self.seen:
            said += f" {self._sight}"
        disputed = [case.name for case in self.counting if case.disputed]
        return f"{said} Seeds disagree on {_listed(disputed)}." if disputed else said

    @property
    def left_out(self) -> str:
        """The cases that decide nothing, each with the reason; '' without any."""
        cases = self.of("left out")
        return _listed([f"{case.name} ({case.measurements[0].left_out})" for case in cases]) if cases else ""


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

    @property
    def needs(self) -> str:
        """What it would take to measure the parts that were not; '' where all were."""
        return "; ".join(dict.fromkeys(part.needs for part in self.deciding if part.needs))


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on all claims of the paper, in its order."""

    claims: tuple[ClaimVerdict, ...]

    @property
    def counts(self) -> tuple[tuple[Verdict, int], ...]:
        """Every verdict, from holds on, and how many claims have it."""
        return tuple((verdict, sum(claim.verdict == verdict for claim in self.claims)) for verdict in _IN_ORDER)

    def of(self, claim: int) -> ClaimVerdict:
        """Return the verdict on a claim by its number.

        Raises:
            KeyError: the paper has no claim of that number.
        """
        by_number = {verdict.rule.claim: verdict for verdict in self.claims}
        return by_number[claim]


def judge_part(
    rule: Part, measured: Iterable[Measurement], sql: str, needs: str, mean: Mean | None = None
) -> PartVerdict:
    """Judge one part.

    Args:
        rule: the part's rule.
        measured: every case in every repetition in which it was measured.
        sql: the query that measured it.
        needs: what to say that it needs, where no case counts.
        mean: interval and p of the mean over the cases, where they are known.
    """
    ordered = sorted(measured, key=lambda m: (m.case, m.repetition))
    by_case = ((name, tuple(own)) for name, own in groupby(ordered, key=lambda m: m.case))
    cases = tuple(CaseVerdict(name, own, tuple(m.outcome(rule) for m in own)) for name, own in by_case)
    outcomes = [case.outcome for case in cases if case.outcome != "left out"]
    if not outcomes:
        return PartVerdict(rule, cases, sql, needs, "not measurable here", Mean())
    counting = [m for m in ordered if not m.left_out]
    sizes = [m.detectable for m in counting if m.detectable is not None]
    of_cases = Mean(fmean(m.value for m in counting), detectable=median(sizes) if sizes else None)
    if mean is not None:
        of_cases = replace(of_cases, low=mean.low, high=mean.high, p=mean.p)
    return PartVerdict(rule, cases, sql, "", _verdict(rule, outcomes), of_cases)


def _verdict(rule: Part, outcomes: Sequence[Outcome]) -> Verdict:
    n, supporting, refuting = len(outcomes), outcomes.count("supports"), outcomes.count("refutes")
    holds, refuted = {
        "all": (supporting == n, refuting > 0),
        "majority": (2 * supporting > n, 2 * refuting >= n),
        "any": (supporting > 0, refuting == n),
    }[rule.needed]
    return "holds" if holds else "refuted" if refuted else "not settled"


def judge_claim(rule: Claim, parts: Sequence[PartVerdict]) -> ClaimVerdict:
    """Judge a claim: by the first of ``VERDICTS`` that a deciding part has."""
    found = {part.verdict for part in parts if part.rule.decides}
    judged = ClaimVerdict(rule, tuple(parts), next(verdict for verdict in VERDICTS if verdict in found), "")
    return replace(judged, reason=_reason(judged))


def _reason(claim: ClaimVerdict) -> str:
    main = claim.main
    others = [part for part in claim.deciding if part is not main and part.verdict == claim.verdict]
    if claim.verdict == "not measurable here":
        said, others = f"Needs {claim.needs}.", [part for part in claim.deciding if part.verdict == "holds"]
    else:
        said = f"{_statistic(claim, main)}: {main.result}"
    named = ", ".join(f"{part.rule.title} ({part.found})" for part in others)
    said = f"{said} {_TOO.get(claim.verdict, 'These hold so far')}: {named}." if named else said
    left = "; ".join(dict.fromkeys(part.left_out for part in claim.deciding if part.left_out))
    return f"{said} Left out: {left}." if left else said


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
