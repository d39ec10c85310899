"""The paper's claims, measured again: each part of a claim asked in SQL, judged by its rule, and kept as tables."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from pipeline_core.report.claim_rules import Claim, load_claims
from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.measured import DIGITS, judged_measurements, mean_of, measured
from pipeline_core.report.recall import realigned
from pipeline_core.report.verdicts import (
    CaseVerdict,
    ClaimVerdict,
    Mean,
    Measurement,
    PartVerdict,
    Verdicts,
    judge_claim,
    judge_part,
)
from pipeline_core.schema.parquet import columns_of

_NEEDS = "-- Needs: "
"""What a part's query says in its head it cannot do without."""

AT_LIMITS = "a task that is neither at its ceiling nor at chance"

_NUMBERS = ("value", "low", "high", "p", "detectable")


def judge(facts: Facts, inputs: ReportInputs) -> Verdicts:
    """Judge every claim of the paper by the rules of claims.yaml.

    A case that a statistic is not defined for (a ratio to nothing) is left away. A part without a case that counts is
    not measurable here, and says what it needs.
    """
    facts.keep("family_hits")
    printed = dict(facts.ask("paper/claimed").rows.iter_rows())
    return Verdicts(tuple(_judge(facts, inputs, _beside(claim, printed)) for claim in load_claims()))


def claim_tables(verdicts: Verdicts) -> dict[str, pl.DataFrame]:
    """Return the rows of the tables ``claims``, ``claim_parts`` and ``claim_cases``, by table."""
    claims, parts, cases = [], [], []
    for claim in verdicts.claims:
        number = {"claim": claim.rule.claim}
        told = claim.rule.model_dump(include={"statement", "paper"})
        timed = any(part.rule.timed for part in claim.parts)
        found = {"verdict": claim.verdict, "reason": claim.reason, "needs": claim.needs or None, "timed": timed}
        claims.append(number | told | found | vars(claim.main.mean))
        for part in claim.parts:
            parts.append(number | _part_row(part))
            cases += [number | {"part": part.rule.part} | row for row in _case_rows(part)]
    rows = {"claims": claims, "claim_parts": parts, "claim_cases": cases}
    return {name: pl.DataFrame(own, schema=columns_of(name), orient="row") for name, own in rows.items()}


def read_verdicts(facts: Facts, judged: Verdicts) -> Verdicts:
    """Return the verdicts as ``claims``, ``claim_parts`` and ``claim_cases`` of the tables tell them.

    Args:
        facts: the tables, those of the claims added.
        judged: gives what no table holds: the rules, the SQL, and why a part was not measured.
    """
    tables = ("from latest.claims", "from latest.claim_parts", "from latest.claim_cases")
    claims, parts, cases = (facts.answer(table, {}).rows for table in tables)

    def part_of(claim: int, part: PartVerdict) -> PartVerdict:
        own = {"claim": claim, "part": part.rule.part}
        row = parts.filter(**own).row(0, named=True)
        measured = cases.filter(**own).sort("case", "repetition")
        found = (
            CaseVerdict(
                str(name), tuple(_measurement(row) for row in rows.iter_rows(named=True)), tuple(rows["outcome"])
            )
            for (name,), rows in measured.group_by(["case"], maintain_order=True)
        )
        mean = Mean(*(row[name] for name in _NUMBERS))
        return PartVerdict(part.rule, tuple(found), part.sql, row["needs"] or "", row["verdict"], mean)

    def claim_of(claim: ClaimVerdict) -> ClaimVerdict:
        number = claim.rule.claim
        row = claims.filter(claim=number).row(0, named=True)
        told = tuple(part_of(number, part) for part in claim.parts)
        return ClaimVerdict(claim.rule, told, row["verdict"], row["reason"])

    return Verdicts(tuple(claim_of(claim) for claim in judged.claims))


def _measurement(row: Mapping[str, Any]) -> Measurement:
    names = ("case", "repetition", "value", "low", "high", "p", "q", "detectable")
    return Measurement(**{name: row[name] for name in names}, left_out=row["left_out"] or "")


def _judge(facts: Facts, inputs: ReportInputs, claim: Claim) -> ClaimVerdict:
    """Judge a claim; the parts that decide are one family of tests, each part shown beside is one of its own."""
    answers = [facts.ask(part.question, **part.values) for part in claim.parts]
    found = [measured(part, answer.rows) for part, answer in zip(claim.parts, answers, strict=True)]
    deciding = [part for part in found if part.rule.decides]
    tested = dict(zip((part.rule.part for part in deciding), judged_measurements(deciding), strict=True))
    for part in (part for part in found if not part.rule.decides):
        (tested[part.rule.part],) = judged_measurements([part])
    parts = []
    for answer, part in zip(answers, found, strict=True):
        needs = AT_LIMITS if part.cases else _lacking(facts, inputs, answer.sql, part.rule.missing)
        parts.append(judge_part(part.rule, tested[part.rule.part], answer.sql, needs, mean_of(part)))
    return judge_claim(claim, parts)


def _beside(claim: Claim, printed: Mapping[str, float]) -> Claim:
    """Add what the paper's own figures give for each part."""
    parts = (
        part.model_copy(update={"paper_value": round(printed[part.part], DIGITS)}) if part.part in printed else part
        for part in claim.parts
    )
    return claim.model_copy(update={"parts": tuple(parts)})


def _lacking(facts: Facts, inputs: ReportInputs, sql: str, missing: str | None) -> str:
    """Say which of a query's needs the run does not meet, as what it needs."""
    studied = inputs.studied
    unmet = {
        "generative": "a generative model to study; this one is contrastive" if studied.kind == "contrastive" else None,
        "contrastive": None
        if any(model.kind == "contrastive" for model in inputs.compared)
        else "a contrastive model to compare with",
        "lens sweep": None if inputs.has("grid", studied.name) else "lens sweep, which has not been run",
        "support queries": None
        if realigned(facts.ask("recall").rows)
        else "queries in the support split, which ReAlign and its rivals are fitted on",
        "train or support": None
        if facts.ask("dataset").rows["n_learnt"][0]
        else "samples in train or support: features were measured on test alone, so that none are removed by that",
    }
    head = next((line for line in sql.splitlines() if line.startswith(_NEEDS)), _NEEDS)
    needs = head.removeprefix(_NEEDS).split(", ") if head != _NEEDS else []
    found = next((unmet[need] for need in needs if unmet[need]), None)
    if found is None and "limited is null" in sql and facts.ask("limited").rows["all_limited"][0]:
        return AT_LIMITS
    return found or missing or "numbers that this run does not hold"


def _part_row(part: PartVerdict) -> dict[str, Any]:
    rule = part.rule.model_dump(exclude={"unit", "missing", "query", "values", "greatest"})
    counted = {"n_supporting": "supports", "n_refuting": "refutes", "n_left_out": "left out"}
    counts: dict[str, Any] = {name: len(part.of(outcome)) for name, outcome in counted.items()}  # type: ignore[arg-type]
    told = {"n_cases": len(part.counting), "verdict": part.verdict, "needs": part.needs or None}
    return rule | counts | told | vars(part.mean)


def _case_rows(part: PartVerdict) -> list[dict[str, Any]]:
    return [
        {**vars(measured), "left_out": measured.left_out or None, "outcome": outcome, "timed": part.rule.timed}
        for case in part.cases
        for measured, outcome in zip(case.measurements, case.outcomes, strict=True)
    ]
