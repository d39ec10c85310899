"""The numbers behind a verdict as a table to copy: every case of every part, seed by seed."""

from pipeline_core.report.tables.table import NOTHING, Cell, Heading, ReportTable, count, quantity
from pipeline_core.report.text import probability
from pipeline_core.report.verdicts import ClaimVerdict, Measurement, Outcome, PartVerdict


def claim_table(claim: ClaimVerdict) -> ReportTable:
    """Return the numbers of one claim; a part without cases has a row that says what it needs."""
    return ReportTable(
        f"claim-{claim.rule.claim:02d}",
        f"Claim {claim.rule.claim}: {claim.rule.statement.removesuffix('.')}",
        f"{claim.rule.paper}. Verdict: {claim.verdict}. {claim.reason}",
        [
            Heading("what is measured", numeric=False),
            Heading("case", numeric=False),
            Heading("seed"),
            Heading("found", "95% interval"),
            Heading("q"),
            Heading("would have been seen"),
            Heading("supports the claim if", numeric=False),
            Heading("outcome", numeric=False),
            Heading("in the paper"),
        ],
        [row for part in claim.parts for row in _rows(part)],
    )


def _rows(part: PartVerdict) -> list[list[Cell]]:
    measured = Cell(part.rule.statistic)
    asked = Cell(part.rule.asked)
    paper = quantity(part.rule.paper_value, part.rule.written)
    if not part.cases:
        nothing = Cell(NOTHING)
        return [[measured, Cell(part.needs), *[nothing] * 4, asked, Cell(part.verdict), paper]]
    return [
        [measured, Cell(case.name), count(m.repetition), *_numbers(part, m), asked, _outcome(outcome, m), paper]
        for case in part.cases
        for m, outcome in zip(case.measurements, case.outcomes, strict=True)
    ]


def _numbers(part: PartVerdict, m: Measurement) -> list[Cell]:
    limits = "" if m.low is None or m.high is None else part.rule.written_interval(m.low, m.high)
    found = Cell(part.rule.written(m.value), limits, value=m.value, low=m.low, high=m.high)
    return [found, quantity(m.q, probability), quantity(m.detectable, part.rule.written_size)]


def _outcome(outcome: Outcome, m: Measurement) -> Cell:
    return Cell(f"{outcome}: {m.left_out}" if m.left_out else outcome)
