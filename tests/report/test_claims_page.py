"""The verdicts as they are read: every claim with its badge and reason, every table reachable, all text escaped."""

from html.parser import HTMLParser

import pytest

from pipeline_core.report.build import _environment
from pipeline_core.report.claim_rules import Claim, Part
from pipeline_core.report.claims import judge
from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.verdicts import Measurement, Verdicts, judge_claim, judge_part

HOSTILE = "<b>bold</b> & co"
PAGE = '{% import "claims.html" as made %}{{ made.claims(verdicts) }}'


class Elements(HTMLParser):
    """Collects elements and the text in them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(" ".join(data.split()))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def drawn(verdicts: Verdicts) -> Elements:
    return Elements(_environment().from_string(PAGE).render(verdicts=verdicts))


@pytest.fixture(scope="module")
def verdicts(claim_inputs: ReportInputs) -> Verdicts:
    with Facts(claim_inputs) as facts:
        return judge(facts, claim_inputs)


def test_every_claim_is_told_with_its_verdict_and_reason(verdicts: Verdicts) -> None:
    page = drawn(verdicts)
    assert [item["id"] for item in page.of("li")] == [f"claim-{n}" for n in range(1, 14)]
    for claim in verdicts.claims:
        assert claim.rule.statement in page.text
        assert " ".join(claim.reason.split()) in page.text
    badges = [mark["class"] for mark in page.of("span") if (mark.get("class") or "").startswith("badge")]
    wanted = [verdict for claim in verdicts.claims for verdict in (claim.verdict, *(p.verdict for p in claim.parts))]
    assert badges == [f"badge {verdict.replace(' ', '-')}" for verdict in wanted]


def test_every_table_can_be_named_reached_and_scrolled(verdicts: Verdicts) -> None:
    page = drawn(verdicts)
    measured = sum(bool(part.cases) for claim in verdicts.claims for part in claim.parts)
    boxes = [box for box in page.of("div") if box.get("class") == "scroll"]
    assert len(page.of("table")) == len(page.of("caption")) == len(boxes) == 13 + measured
    assert all((box["role"], box["tabindex"]) == ("region", "0") and box["aria-label"] for box in boxes)
    assert len({box["aria-label"] for box in boxes}) == len(boxes)
    assert len(page.of("pre")) == measured


def test_each_seed_has_its_number_test_and_interval() -> None:
    rule = Part.model_validate(
        {"part": "a_part", "statistic": "a change", "unit": "points", "direction": "above", "threshold": 0}
        | {"needed": "all", "paper_value": 0.2}
    )
    measured = [
        Measurement("t2i", 0, 0.1, 0.05, 0.15, q=0.0004),
        Measurement("t2i", 1, 0.3, 0.25, 0.35, q=0.2),
        Measurement(HOSTILE, 0, -0.1),
    ]
    claim = Claim(claim=7, statement=HOSTILE, paper=HOSTILE, parts=(rule,))
    page = drawn(Verdicts((judge_claim(claim, [judge_part(rule, measured, "select 1 < 2", "")]),)))
    for text in (
        "+10.0 points",
        "+5.0 to +15.0",
        "q <0.001",
        "+30.0 points",
        "q = 0.200",
        "−10.0 points",
        "+20.0 points",
    ):
        assert text in page.text
    assert {"seed 0", "seed 1", "seeds disagree", "open", "–", HOSTILE, "select 1 < 2"} <= set(page.text)
    assert page.of("b") == []
