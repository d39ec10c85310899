"""What tests of the claims judge a run by, and how they find a part again."""

from pipeline_core.report.claim_rules import load_claims
from pipeline_core.report.claims import judge
from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.verdicts import PartVerdict, Verdicts

PARTS = {part.part: (claim.claim, part) for claim in load_claims() for part in claim.parts}


def judged(inputs: ReportInputs) -> Verdicts:
    with Facts(inputs) as facts:
        return judge(facts, inputs)


def part_of(verdicts: Verdicts, name: str) -> PartVerdict:
    number, rule = PARTS[name]
    return next(part for part in verdicts.of(number).parts if part.rule.part == rule.part)
