"""Recall of the systems that the story is about: raw, mean removed, ReAlign, and the other models, task by task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.text import task_title

RAW = "raw"
MEAN_REMOVED = "mean removed"
REALIGN_SUPPORT = "ReAlign, support statistics"
REALIGN_CANDIDATES = "ReAlign, candidate statistics"
SHUFFLED = "pairs shuffled"

TASK_TYPES = ("t->i", "t->t", "t->it", "i->t", "i->i", "it->t", "it->i", "it->it")
"""The paper's eight task types, in its order."""


@dataclass(frozen=True)
class Score:
    """A hit rate with its 95% interval."""

    system_id: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class TaskRecall:
    """One task: the studied model's scores by role, and the raw score of each other model.

    ``scores`` lacks the roles whose systems were not scored.
    """

    task_id: str
    task_type: str
    description: str
    k: int
    chance: float
    n_queries: int
    n_candidates: int
    scores: Mapping[str, Score]
    others: Mapping[str, Score]

    @property
    def title(self) -> str:
        """The task type in words."""
        return task_title(self.task_type)

    @property
    def realign(self) -> Score | None:
        """ReAlign as in the paper: candidates whitened with the statistics of the candidate set."""
        return self.scores.get(REALIGN_CANDIDATES, self.scores.get(REALIGN_SUPPORT))


def recall_by_task(inputs: ReportInputs, recall: pl.DataFrame) -> tuple[TaskRecall, ...]:
    """Return the tasks that are no controls, in the paper's order of types.

    Args:
        inputs: the report's inputs; the first model is the studied one.
        recall: rows of ``recall.sql``.
    """
    tasks = []
    main = recall.filter(pl.col("control") == "none")
    for (_,), rows in main.group_by(["task_id"], maintain_order=True):
        scores: dict[str, Score] = {}
        others: dict[str, Score] = {}
        for row in rows.iter_rows(named=True):
            role = role_of(row)
            if role is not None and row["model"] == inputs.studied.name:
                scores.setdefault(role, _score(row))
            elif role == RAW:
                others[row["model"]] = _score(row)
        first = rows.row(0, named=True)
        told = ("task_id", "task_type", "description", "k", "chance", "n_queries", "n_candidates")
        ordered = {model.name: others[model.name] for model in inputs.compared if model.name in others}
        tasks.append(TaskRecall(**{name: first[name] for name in told}, scores=scores, others=ordered))
    return tuple(sorted(tasks, key=lambda task: (place_of(task.task_type), task.task_id)))


def role_of(row: Mapping[str, Any]) -> str | None:
    """Return the role in the story of a system (a row with the columns of ``systems``); None for all other systems."""
    if row["shuffled"]:
        return SHUFFLED
    match row["adaptation"], row["variant"], row["fit_on"]:
        case "identity", _, _:
            return RAW
        case "mean_removal", _, "candidates":
            return MEAN_REMOVED
        case "realign", "text", "support":
            return REALIGN_SUPPORT
        case "realign", "text", "candidates":
            return REALIGN_CANDIDATES
    return None


def realigned(rows: pl.DataFrame) -> bool:
    """Say whether ReAlign is there, but for the transductive one: without support queries no other is fitted."""
    return rows.filter(pl.col("fit_on") != "test_queries", adaptation="realign").height > 0


def place_of(task_type: str) -> int:
    """Return the place of a task type in the paper's order; types that it lacks come last."""
    return TASK_TYPES.index(task_type) if task_type in TASK_TYPES else len(TASK_TYPES)


def _score(row: Mapping[str, Any]) -> Score:
    return Score(row["system_id"], row["value"], row["low"], row["high"])
