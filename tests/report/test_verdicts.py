"""Measurements become verdicts by the rule at the head of claims.yaml, at its boundaries too."""

import numpy as np
import pytest

from pipeline_core.report.claim_rules import Claim, Part
from pipeline_core.report.verdicts import ClaimVerdict, Measurement, judge_claim, judge_part


def rule(**fields: object) -> Part:
    plain = {"part": "a_part", "statistic": "what is measured", "unit": "points", "direction": "above"}
    return Part.model_validate(plain | {"threshold": 0.0, "needed": "all"} | fields)


def case(value: float, *, name: str = "a", repetition: int = 0, **test: float) -> Measurement:
    return Measurement(name, repetition, value, **test)


def verdict_of(part: Part, *measured: Measurement) -> str:
    return judge_part(part, measured, "select 1", "nothing there").verdict


class TestOneCase:
    """When a case passes."""

    @pytest.mark.parametrize(
        ("direction", "value", "passes"),
        [
            ("above", 0.5, False),
            ("above", np.nextafter(0.5, 1), True),
            ("above", 0.4, False),
            ("below", 0.5, False),
            ("below", np.nextafter(0.5, 0), True),
            ("below", 0.6, False),
            ("above", -0.6, False),
            ("below", -0.6, True),
        ],
    )
    def test_it_lies_strictly_beyond_the_threshold(self, direction: str, value: float, passes: bool) -> None:
        assert case(value).passes(rule(direction=direction, threshold=0.5)) is passes

    @pytest.mark.parametrize(
        ("direction", "low", "high", "passes"),
        [
            ("above", 0.51, 0.9, True),
            ("above", 0.5, 0.9, False),
            ("above", 0.4, 0.9, False),
            ("below", 0.1, 0.49, True),
            ("below", 0.1, 0.5, False),
            ("below", 0.1, 0.6, False),
        ],
    )
    def test_so_does_the_whole_interval(self, direction: str, low: float, high: float, passes: bool) -> None:
        part = rule(direction=direction, threshold=0.5, test="interval")
        assert case((low + high) / 2, low=low, high=high).passes(part) is passes

    def test_the_value_must_lie_beyond_even_where_the_interval_does(self) -> None:
        assert not case(0.4, low=0.6, high=0.9).passes(rule(threshold=0.5, test="interval"))

    @pytest.mark.parametrize(("value", "q", "passes"), [(0.1, 0.049, True), (0.1, 0.05, False), (-0.1, 0.001, False)])
    def test_q_lies_below_five_percent(self, value: float, q: float, passes: bool) -> None:
        assert case(value, q=q).passes(rule(test="q")) is passes

    @pytest.mark.parametrize("test", ["interval", "q"])
    def test_without_its_test_it_does_not_pass(self, test: str) -> None:
        assert not case(0.9).passes(rule(test=test))
        assert case(0.9).passes(rule())

    def test_it_passes_in_every_repetition_or_not_at_all(self) -> None:
        part = judge_part(rule(), [case(0.1), case(0.2, repetition=1), case(-0.1, repetition=2)], None, "")
        assert part.verdict == "fails"
        assert part.cases[0].disputed
        assert part.n_passed == 0
        assert "Seeds disagree on a." in part.result


class TestOnePart:
    """How many cases must pass."""

    @pytest.mark.parametrize(
        ("needed", "passing", "cases", "verdict"),
        [
            ("all", 4, 4, "holds"),
            ("all", 3, 4, "fails"),
            ("majority", 3, 4, "holds"),
            ("majority", 2, 4, "fails"),
            ("majority", 2, 3, "holds"),
            ("majority", 1, 3, "fails"),
            ("any", 1, 4, "holds"),
            ("any", 0, 4, "fails"),
        ],
    )
    def test_enough_of_them(self, needed: str, passing: int, cases: int, verdict: str) -> None:
        measured = [case(0.1 if n < passing else -0.1, name=str(n)) for n in range(cases)]
        assert verdict_of(rule(needed=needed), *measured) == verdict

    @pytest.mark.parametrize("needed", ["all", "majority", "any"])
    def test_without_cases_it_is_not_measurable(self, needed: str) -> None:
        part = judge_part(rule(needed=needed), [], None, "nothing there")
        assert (part.verdict, part.value, part.why_missing) == ("not measurable here", None, "nothing there")

    def test_its_value_is_the_mean_over_cases_and_repetitions(self) -> None:
        measured = [case(v, name=n, repetition=r) for v, n, r in ((0.1, "a", 0), (0.2, "b", 0), (0.3, "a", 1))]
        part = judge_part(rule(), measured, None, "")
        assert part.value == pytest.approx(0.2)
        assert part.by_repetition == pytest.approx({0: 0.15, 1: 0.3})
        assert part.spread == "+15.0 to +30.0 over 2 seeds"

    def test_equal_seeds_are_said_to_be_equal(self) -> None:
        part = judge_part(rule(), [case(0.1), case(0.10001, repetition=1)], None, "")
        assert part.spread == "the same over 2 seeds"

    def test_its_result_says_what_decided(self) -> None:
        measured = [case(0.1, name="t2i", q=0.01), case(0.2, name="i2t", q=0.01), case(0.3, name="i2i", q=0.2)]
        result = judge_part(rule(test="q", needed="majority"), measured, None, "").result
        assert result == (
            "+20.0 points on average; needed: above 0 points with q < 0.05, in most cases; passed: 2 of 3, not i2i."
        )

    def test_many_failing_cases_are_counted(self) -> None:
        measured = [case(-0.1, name=f"n{n}") for n in range(8)] + [case(0.1, name="z, 1")]
        assert "passed: 1 of 9, not n0, n1, n2, n3, n4 and 3 more." in judge_part(rule(), measured, None, "").result


def claim_of(*verdicts: str, beside: str = "") -> ClaimVerdict:
    """A claim with deciding parts of these verdicts, and perhaps one that decides nothing."""
    values = {"holds": [case(0.1)], "fails": [case(-0.1)], "not measurable here": []}
    rules = [rule(part=f"part_{n}") for n in range(len(verdicts))]
    parts = [judge_part(own, values[found], None, "no numbers") for own, found in zip(rules, verdicts, strict=True)]
    if beside:
        parts.append(judge_part(rule(part="beside", decides=False), values[beside], None, "no such numbers"))
    own = Claim(claim=1, statement="So it is.", paper="Table 1", parts=tuple(part.rule for part in parts))
    return judge_claim(own, parts)


class TestOneClaim:
    """What the parts make of a claim."""

    @pytest.mark.parametrize(
        ("parts", "verdict"),
        [
            (("holds",), "holds"),
            (("holds", "holds"), "holds"),
            (("holds", "fails"), "fails"),
            (("holds", "not measurable here"), "not measurable here"),
            (("fails", "not measurable here"), "fails"),
            (("not measurable here",), "not measurable here"),
        ],
    )
    @pytest.mark.parametrize("beside", ["", "holds", "fails", "not measurable here"])
    def test_only_deciding_parts_decide(self, parts: tuple[str, ...], verdict: str, beside: str) -> None:
        assert claim_of(*parts, beside=beside).verdict == verdict

    def test_the_reason_tells_what_decided(self) -> None:
        assert claim_of("holds", "holds").reason.endswith("passed: 1 of 1. These hold too: part 1 (+10.0 points).")
        failing = claim_of("holds", "fails", "fails").reason
        assert failing.startswith(
            "What is measured: −10.0 points; needed: above 0 points, in every case; passed: 0 of 1."
        )
        assert failing.endswith("These fail too: part 2 (−10.0 points).")
        assert claim_of("not measurable here", "holds").reason == (
            "No numbers. These hold so far: part 1 (+10.0 points)."
        )

    def test_what_is_the_same_is_told_with_what_it_is_the_same_as(self) -> None:
        first, second = rule(part="one", statistic="a change"), rule(part="two", statistic="the same, doubled")
        parts = (judge_part(first, [case(0.1)], None, ""), judge_part(second, [case(-0.1)], None, ""))
        claim = judge_claim(Claim(claim=1, statement="", paper="", parts=(first, second)), parts)
        assert claim.reason.startswith("A change; the same, doubled: −10.0 points")
