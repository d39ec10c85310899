"""The paper's claims, measured again: each part of a claim asked in SQL, judged by its rule, and kept as tables."""

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from pipeline_core.report.claim_rules import Part, load_claims
from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.recall import realigned
from pipeline_core.report.verdicts import (
    CaseVerdict,
    ClaimVerdict,
    Measurement,
    PartVerdict,
    Verdicts,
    judge_claim,
    judge_part,
)
from pipeline_core.schema.parquet import columns_of

_DIGITS = 12
"""Decimals that are kept: further digits of a mean depend on the order that rows were added in."""

_NEEDS = "-- Needs: "
"""What a part's query says in its head it cannot do without."""


def judge(facts: Facts, inputs: ReportInputs) -> Verdicts:
    """Judge every claim of the paper by the rules of claims.yaml.

    A case that a statistic is not defined for (a ratio to nothing) is left out. A part whose query gives no case is not
    measurable here, and says what is lacking.
    """
    return Verdicts(
        tuple(judge_claim(claim, [_judge(facts, inputs, part) for part in claim.parts]) for claim in load_claims())
    )


def claim_tables(verdicts: Verdicts) -> dict[str, pl.DataFrame]:
    """Return the rows of the tables ``claims``, ``claim_parts`` and ``claim_cases``, by table."""
    claims, parts, cases = [], [], []
    for claim in verdicts.claims:
        number = {"claim": claim.rule.claim}
        told = claim.rule.model_dump(include={"statement", "paper"})
        timed = any(part.rule.timed for part in claim.parts)
        claims.append(number | told | {"verdict": claim.verdict, "reason": claim.reason, "timed": timed})
        for part in claim.parts:
            parts.append(number | _part_row(part))
            cases += [number | {"part": part.rule.part} | row for row in _case_rows(part)]
    rows = {"claims": claims, "claim_parts": parts, "claim_cases": cases}
    return {name: pl.DataFrame(own, schema=columns_of(name)) for name, own in rows.items()}


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
                str(name), tuple(_measurement(row) for row in rows.iter_rows(named=True)), tuple(rows["passed"])
            )
            for (name,), rows in measured.group_by(["case"], maintain_order=True)
        )
        told = (row[name] for name in ("verdict", "n_passed", "value"))
        return PartVerdict(part.rule, tuple(found), part.sql, part.why_missing, *told)

    def claim_of(claim: ClaimVerdict) -> ClaimVerdict:
        number = claim.rule.claim
        row = claims.filter(claim=number).row(0, named=True)
        told = tuple(part_of(number, part) for part in claim.parts)
        return ClaimVerdict(claim.rule, told, row["verdict"], row["reason"])

    return Verdicts(tuple(claim_of(claim) for claim in judged.claims))


def _measurement(row: Mapping[str, Any]) -> Measurement:
    return Measurement(*(row[name] for name in ("case", "repetition", "value", "low", "high", "q")))


def _judge(facts: Facts, inputs: ReportInputs, rule: Part) -> PartVerdict:
    if not facts.knows(rule.question):
        return judge_part(rule, (), None, rule.missing or "")
    answer = facts.ask(rule.question, **rule.values)
    rows = answer.rows.iter_rows(named=True)
    measured = [
        Measurement(
            row["case"],
            row.get("repetition", 0),
            round(row["value"], _DIGITS),
            *(None if row.get(name) is None else round(row[name], _DIGITS) for name in ("low", "high", "q")),
        )
        for row in rows
        if row["value"] is not None and math.isfinite(row["value"])
    ]
    missing = "" if measured else rule.missing or _lacking(facts, inputs, answer.sql)
    return judge_part(rule, measured, answer.sql, missing)


def _lacking(facts: Facts, inputs: ReportInputs, sql: str) -> str:
    """Say which of a query's needs the run does not meet."""
    studied = inputs.studied
    unmet = {
        "generative": "the claim is about a generative model, and the model studied is contrastive"
        if studied.kind == "contrastive"
        else None,
        "contrastive": None
        if any(model.kind == "contrastive" for model in inputs.compared)
        else "no contrastive model was compared",
        "lens sweep": "it is measured by lens sweep, which has not been run"
        if not inputs.has("grid", studied.name)
        else None,
        "support queries": None
        if realigned(facts.ask("recall").rows)
        else "no query is in the support split, which ReAlign and its rivals are fitted on",
        "train or support": None
        if facts.ask("dataset").rows["n_learnt"][0]
        else "features were measured on test alone, so that none are removed by what they say",
    }
    head = next((line for line in sql.splitlines() if line.startswith(_NEEDS)), _NEEDS)
    needs = head.removeprefix(_NEEDS).split(", ") if head != _NEEDS else []
    return next((unmet[need] for need in needs if unmet[need]), None) or "this run holds nothing to measure it on"


def _part_row(part: PartVerdict) -> dict[str, Any]:
    rule = part.rule.model_dump(exclude={"unit", "missing", "query", "values"})
    measured = {"n_cases": len(part.cases), "n_passed": part.n_passed, "verdict": part.verdict, "value": part.value}
    return rule | measured


def _case_rows(part: PartVerdict) -> list[dict[str, Any]]:
    return [
        {**vars(measured), "passed": passed, "timed": part.rule.timed}
        for case in part.cases
        for measured, passed in zip(case.measurements, case.passes, strict=True)
    ]
