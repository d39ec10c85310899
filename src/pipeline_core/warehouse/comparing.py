"""Two runs side by side: how much more the second scores on the queries that both asked, and the features of both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from pipeline_core.retrieval.randomness import generator
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.retrieval.significance import Groups, Values, bootstrap_intervals, corrected, permutation_p
from pipeline_core.store.journal import RunRecord
from pipeline_core.warehouse.query import QueryResult, files_told, open_warehouse, query

Metric = Literal["hit_rate", "mrr"]

SCORES = Path(__file__).with_name("compare_scores.sql")
"""The question that two runs are compared by: $a and $b, $model_a and $model_b, $metric."""

_FEATURES = Path(__file__).with_name("compare_features.sql")


@dataclass(frozen=True)
class Effect:
    """How one system scored on one task in two runs, mean over the queries that both asked; q is over all effects.

    Attributes:
        model: whose vectors, of the first run and, where it is another, of the second.
        system: what was done to them, in a few words.
        task_id: the task.
        task_type: what finds what.
        k: cut-off, the task's primary one in the first run.
        n_queries: queries that both runs asked.
        a: score in the first run.
        b: score in the second.
        delta: second minus first.
        low: lower end of delta's 95% interval; groups of queries are resampled.
        high: its upper end.
        q: of a paired test, corrected for the number of effects.
    """

    model: str
    system: str
    task_id: str
    task_type: str
    k: int
    n_queries: int
    a: float
    b: float
    delta: float
    low: float
    high: float
    q: float


@dataclass(frozen=True)
class Comparison:
    """Two runs: effects of the systems whose scores differ, and by model those of which every query scored the same."""

    effects: tuple[Effect, ...]
    same: Mapping[str, Sequence[str]]


def compare_scores(store_root: Path, a: RunRecord, b: RunRecord, metric: Metric = "hit_rate") -> Comparison:
    """Compare the named systems that two completed runs have in common.

    Models are those of one name in both runs; where there is none, the model studied in each.

    Args:
        store_root: folder of the store.
        a: the first run.
        b: the second.
        metric: score at each task's primary cut-off.

    Raises:
        QueryError: the store has no warehouse yet.
    """
    common = [(name, name) for name in a.named("activations/") if name in b.named("activations/")]
    studied = list(zip(a.named("activations/")[:1], b.named("activations/")[:1], strict=True))
    differing: list[tuple[str, pl.DataFrame]] = []
    same: dict[str, list[str]] = {}
    with open_warehouse(store_root) as connection, files_told():
        for one, other in common or studied:
            model = one if one == other else f"{one} → {other}"
            values = {"a": a.run_id, "b": b.run_id, "model_a": one, "model_b": other, "metric": metric}
            rows = connection.sql(SCORES.read_text(encoding="utf-8"), params=values).pl()
            for _, scores in rows.group_by("system", maintain_order=True):
                label = scores["label"][0]
                if scores["score_a"].equals(scores["score_b"]):
                    same.setdefault(model, []).append(label)
                    continue
                differing += [(model, asked) for _, asked in scores.group_by("task_id", maintain_order=True)]
    return Comparison(tuple(_effects(differing)), same)


def compare_features(store_root: Path, a: RunRecord, b: RunRecord) -> QueryResult:
    """Count the features of two runs: a row an autoencoder and run.

    Raises:
        QueryError: the store has no warehouse yet.
    """
    return query(store_root, _FEATURES.read_text(encoding="utf-8"), {"a": a.run_id, "b": b.run_id})


def _effects(differing: Sequence[tuple[str, pl.DataFrame]]) -> Iterator[Effect]:
    tested = [_tested(asked) for _, asked in differing]
    qs = corrected(np.array([p for *_, p in tested]))
    for (model, asked), (low, high, _), q in zip(differing, tested, qs, strict=True):
        a, b = (float(asked[name].to_numpy().mean()) for name in ("score_a", "score_b"))
        label, task_id, task_type, k = (asked[name][0] for name in ("label", "task_id", "task_type", "k"))
        yield Effect(model, label, task_id, task_type, k, asked.height, a, b, b - a, low, high, float(q))


def _tested(asked: pl.DataFrame) -> tuple[float, float, float]:
    """Return the interval of the mean difference and its p-value."""
    differences: Values = (asked["score_b"] - asked["score_a"]).to_numpy()[None]
    groups: Groups = np.unique(asked["family"].to_numpy(), return_inverse=True)[1].astype(np.int64)
    settings = ScoringSettings()
    draws = generator(settings.seed, f"runs/{asked['task_id'][0]}")
    low, high = bootstrap_intervals(differences, groups, settings.bootstrap, draws, least=-1.0)
    p = permutation_p(differences, groups, settings.permutations, draws)
    return float(low[0]), float(high[0]), float(p[0])
