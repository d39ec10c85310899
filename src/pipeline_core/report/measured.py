"""What a part's query found, as estimates: of sums by independent families, or with an interval of its own.

A query of ``sql/claims`` gives one of two kinds of rows. By families: repetition, case, family, top and bottom, and
where a case rests on several ratios task (which ratio) and weight (of the ratio; by default they are averaged). Or by
cases: value, low and high, the interval known. ``left_out`` says in both why a case decides nothing.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from pipeline_core.report.claim_rules import Part
from pipeline_core.report.verdicts import Mean, Measurement
from pipeline_core.retrieval.estimates import Estimate, estimate, known
from pipeline_core.retrieval.significance import holm

DIGITS = 12
"""Decimals that are kept: further digits of a mean depend on the order that rows were added in."""


@dataclass(frozen=True)
class Case:
    """One case in one repetition, as estimated."""

    name: str
    repetition: int
    estimate: Estimate
    left_out: str = ""


@dataclass(frozen=True)
class Measured:
    """What a part's query found; ``mean`` is of the cases that count, where they are known to hang together."""

    rule: Part
    cases: tuple[Case, ...]
    mean: Estimate | None


def measured(rule: Part, rows: pl.DataFrame) -> Measured:
    """Estimate every case of a part; one that a statistic is not defined for (a ratio to nothing) is left away."""
    if "family" in rows.columns:
        rows = rows.with_columns(pl.col({"top", "bottom", "weight"} & set(rows.columns)).cast(pl.Float64))
        cases = tuple(_by_families(rows))
        counting = pl.DataFrame(
            [(case.repetition, case.name) for case in cases if not case.left_out], ["repetition", "case"], orient="row"
        )
        if counting.height < 2:
            return Measured(rule, cases, _only(cases))
        kept = rows.join(counting.cast({"repetition": rows["repetition"].dtype}), on=["repetition", "case"], how="semi")
        return Measured(rule, cases, estimated(kept, counting.height))
    cases = tuple(_by_cases(rows))
    return Measured(rule, cases, _only(cases))


def judged_measurements(parts: list[Measured]) -> list[tuple[Measurement, ...]]:
    """Test the cases of parts that are one family of tests, in each repetition by itself (Holm)."""
    tested: dict[int, list[tuple[Part, Case]]] = {}
    for part in parts:
        for case in (case for case in part.cases if not case.left_out):
            tested.setdefault(case.repetition, []).append((part.rule, case))
    corrected = {
        (rule.part, case.name, repetition): float(q)
        for repetition, family in tested.items()
        for (rule, case), q in zip(family, holm(np.array([_p(*one) for one in family])), strict=True)
    }
    return [
        tuple(_measurement(part.rule, case, len(tested.get(case.repetition, ())), corrected) for case in part.cases)
        for part in parts
    ]


def mean_of(part: Measured) -> Mean:
    """Return interval and p of the mean over the cases that count."""
    if part.mean is None:
        return Mean()
    low, high = part.mean.interval
    return Mean(low=_kept(low), high=_kept(high), p=_kept(max(part.mean.p(bound) for bound in part.rule.bounds)))


def _measurement(rule: Part, case: Case, tests: int, corrected: Mapping[tuple[str, str, int], float]) -> Measurement:
    found = case.estimate
    low, high = found.interval
    q = corrected.get((rule.part, case.name, case.repetition))
    return Measurement(
        case.name,
        case.repetition,
        _kept(found.value),
        _kept(low),
        _kept(high),
        _kept(_p(rule, case)),
        None if q is None else _kept(q),
        _kept(found.detectable(max(tests, 1))),
        case.left_out,
    )


def _p(rule: Part, case: Case) -> float:
    return max(case.estimate.p(bound) for bound in rule.bounds)


def _kept(number: float) -> float:
    return round(number, DIGITS)


def _only(cases: tuple[Case, ...]) -> Estimate | None:
    counting = [case for case in cases if not case.left_out]
    return counting[0].estimate if len(counting) == 1 else None


def _by_cases(rows: pl.DataFrame) -> Iterator[Case]:
    for row in rows.iter_rows(named=True):
        numbers = [row[name] for name in ("value", "low", "high")]
        if all(number is not None and math.isfinite(number) for number in numbers):
            yield Case(row["case"], _repetition(row), known(*numbers), row.get("left_out") or "")


def _by_families(rows: pl.DataFrame) -> Iterator[Case]:
    for (name, repetition), own in rows.group_by("case", "repetition", maintain_order=True):
        found = estimated(own, 1)
        if found is not None:
            left_out = own["left_out"][0] if "left_out" in own.columns else None
            yield Case(str(name), int(repetition), found, left_out or "")


def estimated(rows: pl.DataFrame, n_cases: int) -> Estimate | None:
    """Estimate the mean over cases of weighted ratios, a stratum each, by the families of all of them.

    Args:
        rows: by families, as a query gives them.
        n_cases: among the rows.
    """
    keys = [name for name in ("repetition", "case", "task") if name in rows.columns]
    strata = rows.select(keys).unique(maintain_order=True).with_row_index("stratum")
    families = rows.select("family").unique(maintain_order=True).with_row_index("place")
    placed = rows.join(strata, on=keys).join(families, on="family")
    place = placed["stratum"].to_numpy(), placed["place"].to_numpy()
    tops, bottoms = np.zeros((strata.height, families.height)), np.zeros((strata.height, families.height))
    np.add.at(tops, place, placed["top"].to_numpy())
    np.add.at(bottoms, place, placed["bottom"].to_numpy())
    if "weight" in rows.columns:
        weights = placed.group_by("stratum").agg(pl.col("weight").first()).sort("stratum")["weight"].to_numpy()
    else:
        weights = 1 / strata.select(pl.len().over([key for key in keys if key != "task"]))["len"].to_numpy()
    return estimate(tops, bottoms, weights / n_cases)


def _repetition(row: Mapping[str, Any]) -> int:
    return int(row.get("repetition") or 0)
