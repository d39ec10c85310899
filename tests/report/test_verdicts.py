"""Measurements become verdicts by the rule at the head of claims.yaml, at its boundaries too."""

from typing import Any

import numpy as np
import pytest

from pipeline_core.report.claim_rules import Claim, Part
from pipeline_core.report.verdicts import ClaimVerdict, Mean, Measurement, judge_claim, judge_part


def rule(**fields: object) -> Part:
    plain = {"part": "a_part", "statistic": "what is measured", "unit": "points", "direction": "above"}
    return Part.model_validate(plain | {"threshold": 0.0, "needed": "all"} | fields)


def case(value: float, *, name: str = "a", repetition: int = 0, q: float | None = 0.01, **more: Any) -> Measurement:
    return Measurement(name, repetition, value, q=q, **more)


def verdict_of(part: Part, *measured: Measurement) -> str:
    return judge_part(part, measured, "select 1", "more").verdict


class TestOneCase:
    """What a case does for the claim."""

    @pytest.mark.parametrize(
        ("direction", "value", "outcome"),
        [
            ("above", 0.5, "open"),
            ("above", np.nextafter(0.5, 1), "supports"),
            ("above", 0.4, "refutes"),
            ("below", 0.5, "open"),
            ("below", np.nextafter(0.5, 0), "supports"),
            ("below", 0.6, "refutes"),
            ("above", -0.6, "refutes"),
            ("below", -0.6, "supports"),
            ("within", 0.4, "supports"),
            ("within", -0.4, "supports"),
            ("within", 0.6, "refutes"),
            ("within", -0.6, "refutes"),
        ],
    )
    def test_it_lies_on_one_side_of_the_threshold(self, direction: str, value: float, outcome: str) -> None:
        assert case(value).outcome(rule(direction=direction, threshold=0.5)) == outcome

    @pytest.mark.parametrize(
        ("value", "q", "outcome"),
        [(0.1, 0.049, "supports"), (0.1, 0.05, "open"), (-0.1, 0.001, "refutes"), (-0.1, 0.05, "open")],
    )
    def test_q_lies_below_five_percent(self, value: float, q: float, outcome: str) -> None:
        assert case(value, q=q).outcome(rule()) == outcome

    def test_without_a_test_it_is_open(self) -> None:
        assert case(0.9, q=None).outcome(rule()) == "open"

    def test_at_its_limit_it_decides_nothing(self) -> None:
        measured = [case(0.1), case(-0.4, name="i2i", left_out="ceiling")]
        part = judge_part(rule(), measured, "select 1", "")
        assert (part.verdict, part.value, part.left_out) == ("holds", 0.1, "i2i (ceiling)")
        assert verdict_of(rule(), case(0.1, left_out="floor")) == "not measurable here"

    @pytest.mark.parametrize("needed", ["all", "majority", "any"])
    def test_seeds_must_agree(self, needed: str) -> None:
        measured = [case(0.1), case(0.2, repetition=1), case(-0.1, repetition=2)]
        part = judge_part(rule(needed=needed), measured, "select 1", "")
        assert part.verdict == "not settled"
        assert part.cases[0].disputed
        assert "Seeds disagree on a." in part.result


class TestOnePart:
    """How many cases must support it."""

    @pytest.mark.parametrize(
        ("needed", "supporting", "refuting", "cases", "verdict"),
        [
            ("all", 4, 0, 4, "holds"),
            ("all", 3, 0, 4, "not settled"),
            ("all", 3, 1, 4, "refuted"),
            ("majority", 3, 1, 4, "holds"),
            ("majority", 2, 1, 4, "not settled"),
            ("majority", 2, 2, 4, "refuted"),
            ("majority", 1, 1, 3, "not settled"),
            ("majority", 1, 2, 3, "refuted"),
            ("any", 1, 3, 4, "holds"),
            ("any", 0, 3, 4, "not settled"),
            ("any", 0, 4, 4, "refuted"),
        ],
    )
    def test_enough_of_them(self, needed: str, supporting: int, refuting: int, cases: int, verdict: str) -> None:
        values = [0.1] * supporting + [-0.1] * refuting
        measured = [case(value, name=str(n)) for n, value in enumerate(values)]
        measured += [case(0.1, name=str(n), q=0.5) for n in range(len(values), cases)]
        assert verdict_of(rule(needed=needed), *measured) == verdict

    @pytest.mark.parametrize("needed", ["all", "majority", "any"])
    def test_without_cases_it_is_not_measurable(self, needed: str) -> None:
        part = judge_part(rule(needed=needed), [], "select 1", "more")
        assert (part.verdict, part.value, part.needs) == ("not measurable here", None, "more")

    def test_its_value_is_the_mean_over_cases_and_repetitions(self) -> None:
        measured = [case(v, name=n, repetition=r) for v, n, r in ((0.1, "a", 0), (0.2, "b", 0), (0.3, "a", 1))]
        part = judge_part(rule(), measured, "select 1", "")
        assert part.value == pytest.approx(0.2)
        assert part.by_repetition == pytest.approx({0: 0.15, 1: 0.3})
        assert part.spread == "+15.0 to +30.0 over 2 seeds"

    def test_equal_seeds_are_said_to_be_equal(self) -> None:
        part = judge_part(rule(), [case(0.1), case(0.10001, repetition=1)], "select 1", "")
        assert part.spread == "the same over 2 seeds"

    def test_its_result_says_what_decided(self) -> None:
        measured = [case(0.1, name="t2i"), case(0.2, name="i2t"), case(-0.3, name="i2i"), case(0.4, name="t2t", q=0.2)]
        result = judge_part(rule(needed="majority"), measured, "select 1", "", Mean(low=0.05, high=0.15, p=0.01)).result
        assert result == (
            "+10.0 points on average [+5.0 to +15.0]; needed: above 0 points with q < 0.05, in most cases; "
            "2 of 4 support it, 1 refute it (i2i)."
        )

    def test_what_is_not_settled_says_how_large_an_effect_would_have_been_seen(self) -> None:
        measured = [case(0.1, name=str(n), q=0.5, detectable=size) for n, size in enumerate((0.2, 0.3, 0.7))]
        part = judge_part(rule(), measured, "select 1", "")
        assert part.mean.detectable == 0.3
        assert part.result.endswith("The smallest effect that could have been seen in a case: 30.0 points.")

    def test_an_effect_beyond_the_greatest_value_could_not_have_been_seen(self) -> None:
        bounded = rule(unit="number", greatest=1.0)
        nothing = judge_part(bounded, [case(0.1, q=0.5, detectable=1.16)], "select 1", "").result
        assert "No effect could have been seen in a case" in nothing and "1.16" in nothing and "smallest" not in nothing
        assert "smallest effect" in judge_part(bounded, [case(0.1, q=0.5, detectable=0.9)], "select 1", "").result

    def test_many_refuting_cases_are_counted(self) -> None:
        measured = [case(-0.1, name=f"n{n}") for n in range(8)] + [case(0.1, name="z, 1")]
        assert "8 refute it (n0, n1, n2, n3, n4 and 3 more)." in judge_part(rule(), measured, "select 1", "").result


NOT = "not measurable here"


def claim_of(*verdicts: str, beside: str = "") -> ClaimVerdict:
    """A claim with deciding parts of these verdicts, and perhaps one that decides nothing."""
    values = {"holds": [case(0.1)], "refuted": [case(-0.1)], "not settled": [case(0.1, q=0.5)], NOT: []}
    rules = [rule(part=f"part_{n}") for n in range(len(verdicts))]
    parts = [
        judge_part(own, values[found], "select 1", "no numbers") for own, found in zip(rules, verdicts, strict=True)
    ]
    if beside:
        parts.append(judge_part(rule(part="beside", decides=False), values[beside], "select 1", "no such numbers"))
    own = Claim(claim=1, statement="So it is.", paper="Table 1", parts=tuple(part.rule for part in parts))
    return judge_claim(own, parts)


class TestOneClaim:
    """What the parts make of a claim."""

    @pytest.mark.parametrize(
        ("parts", "verdict"),
        [
            (("holds",), "holds"),
            (("holds", "holds"), "holds"),
            (("holds", "refuted"), "refuted"),
            (("holds", "not settled"), "not settled"),
            (("holds", NOT), NOT),
            (("not settled", NOT), NOT),
            (("refuted", NOT), "refuted"),
            (("refuted", "not settled"), "refuted"),
            ((NOT,), NOT),
        ],
    )
    @pytest.mark.parametrize("beside", ["", "holds", "refuted", "not settled", NOT])
    def test_only_deciding_parts_decide(self, parts: tuple[str, ...], verdict: str, beside: str) -> None:
        assert claim_of(*parts, beside=beside).verdict == verdict

    def test_the_reason_tells_what_decided(self) -> None:
        assert claim_of("holds", "holds").reason.endswith("0 refute it. These hold too: part 1 (+10.0 points).")
        refuted = claim_of("holds", "refuted", "refuted").reason
        assert refuted.startswith(
            "What is measured: −10.0 points; needed: above 0 points with q < 0.05, in every case; "
        )
        assert refuted.endswith("1 refute it. These are refuted too: part 2 (−10.0 points).")
        assert claim_of(NOT, "holds").reason == "Needs no numbers. These hold so far: part 1 (+10.0 points)."

    def test_what_is_the_same_is_told_with_what_it_is_the_same_as(self) -> None:
        first, second = rule(part="one", statistic="a change"), rule(part="two", statistic="the same, doubled")
        parts = (judge_part(first, [case(0.1)], "select 1", ""), judge_part(second, [case(-0.1)], "select 1", ""))
        claim = judge_claim(Claim(claim=1, statement="", paper="", parts=(first, second)), parts)
        assert claim.reason.startswith("A change; the same, doubled: −10.0 points")
