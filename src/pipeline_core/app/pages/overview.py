"""The first page: what was found in a few numbers, the hit rates of a run or of several side by side, the claims."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline_core.app.answers import Answer
from pipeline_core.app.pages import Page, Parameters, Visit
from pipeline_core.report.facts import question
from pipeline_core.report.recall import place_of
from pipeline_core.warehouse.changes import ABSENT, changed

_RUNS_SHOWN = 12
_SIDE_BY_SIDE = 4

Row = Mapping[str, Any]


class Asked(Parameters):
    """Further runs may stand beside the run."""

    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Strip:
    """What was found, in a few numbers.

    Attributes:
        raw: the studied model's mean over the tasks.
        fix: its best system that needs no labels, whose maps are fitted on the data searched; None: there is none.
        others: the raw means of the models beside it.
        claims: how many claims have each verdict.
    """

    raw: Row | None
    fix: Row | None
    others: Sequence[Row]
    claims: Sequence[tuple[str, int]]


class Overview(Page):
    """Verdicts, hit rates, energy, runs."""

    name, title, path, place = "overview", "Overview", "/", 0
    parameters = Asked

    def show(self, visit: Visit) -> Mapping[str, Any]:
        """Answer for the run, and the hit rates for those beside it."""
        rates, claims = visit.ask(), visit.ask("claims")
        known = visit.ask("runs")
        beside = [self._beside_it(visit, run_id) for run_id in visit.given.beside[: _SIDE_BY_SIDE - 1]]
        means = [row for row in rates.rows if row["task_id"] is None]
        models = sorted({row["model"] for row in means}, key=_order(visit.run.models))
        return {
            "rates": rates,
            "strip": _strip(visit, means, claims),
            "tables": [(model, [row for row in rates.rows if row["model"] == model]) for model in models],
            "cells": {(row["system_id"], row["task_id"]): row for row in rates.rows},
            "tasks": _tasks(rates),
            "claims": claims,
            "energy": visit.ask("energy"),
            "known": known,
            "runs_shown": known.rows[:_RUNS_SHOWN],
            "beside": beside,
            "compared": list(_compared(visit.run_id, rates, beside)),
            "configs": _differences([visit.run.record.config, *(other.config for other in beside)]),
        }

    def _beside_it(self, visit: Visit, run_id: str) -> "Beside":
        other = Visit(visit.site, visit.connection, Asked(run=run_id), self)
        return Beside(other.run_id, other.run.record.config, other.ask())


@dataclass(frozen=True)
class Beside:
    """Another run that is held against the one looked at."""

    run_id: str
    config: Mapping[str, Any]
    rates: Answer


def _order(models: Sequence[str]) -> Any:
    return lambda model: (models.index(model) if model in models else len(models), model)


def _strip(visit: Visit, means: Sequence[Row], claims: Answer) -> Strip:
    """Choose as the report does what is told first, of the means over the tasks."""
    chosen, by_id = visit.answer(question("strip")).rows, {row["system_id"]: row for row in means}
    own = [by_id[row["system_id"]] for row in chosen if row["place"] == 0]
    raw = own[0] if chosen and chosen[0]["raw"] else None
    return Strip(
        raw,
        own[1] if raw and len(own) > 1 else None,
        [by_id[row["system_id"]] for row in chosen if row["place"] > 0],
        Counter(row["verdict"] for row in claims.rows).most_common(),
    )


def _tasks(rates: Answer) -> list[tuple[str, str, int]]:
    found = {(row["task_id"], row["task_type"], row["k"]) for row in rates.rows if row["task_id"] is not None}
    return sorted(found, key=lambda task: (place_of(task[1]), task[0]))


def _compared(run_id: str, rates: Answer, beside: Sequence[Beside]) -> Iterator[tuple[Row, list[float | None]]]:
    """Yield each system's mean over the tasks with those in the other runs."""
    others = [
        {row["system_id"]: row["value"] for row in other.rates.rows if row["task_id"] is None} for other in beside
    ]
    for row in rates.rows:
        if row["task_id"] is None:
            yield row, [found.get(row["system_id"]) for found in others]


def _differences(configs: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return the fields in which configs differ from the first, with the value in each."""
    rows: dict[str, list[str]] = {}
    for place, other in enumerate(configs[1:], 1):
        for field, own, value in changed(other, configs[0]):
            rows.setdefault(field, [_told(own)] * len(configs))[place] = _told(value)
    return sorted(rows.items())


def _told(value: Any) -> str:
    return ABSENT if value is ABSENT else json.dumps(value, ensure_ascii=False)


MEMBER = Overview()
