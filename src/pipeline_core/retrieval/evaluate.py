"""The retrieval stage: every task, in validation and test, by every system; one task in memory at a time.

Nothing is chosen here: systems are fixed by the config and by statistics of train and support, and test is scored once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from pipeline_core.config import RetrievalConfig
from pipeline_core.errors import DataError
from pipeline_core.parquet import read_table, write_table
from pipeline_core.retrieval.adaptations import Projection, save_adaptations
from pipeline_core.retrieval.fitting import SIDES, TaskVectors, fit
from pipeline_core.retrieval.judgements import Judgements, Pool, shuffled
from pipeline_core.retrieval.randomness import generator
from pipeline_core.retrieval.removal import RemovalPlan, SaeInput, plan_removal
from pipeline_core.retrieval.scoring import Scored, effect_rows, hit_rows, metric_rows, rank_rows, score
from pipeline_core.retrieval.search import SearchResult, search
from pipeline_core.retrieval.significance import corrected
from pipeline_core.retrieval.systems import (
    RAW,
    System,
    comparisons,
    list_systems,
    single_removal,
    system_id,
    systems_table,
)
from pipeline_core.retrieval.trec import write_qrels, write_run
from pipeline_core.schema import TABLES
from pipeline_core.vectors import Matrix, load_dictionary, load_embeddings, representations

SPLITS = ("support", "validation", "test")
EXPORTED = ("raw", "realign")
"""Systems whose result lists are also written as TREC run files."""


@dataclass(frozen=True)
class _Study:
    """What is the same for every task."""

    model: str
    systems: tuple[System, ...]
    plans: tuple[RemovalPlan, ...]
    config: RetrievalConfig

    def id(self, system: System) -> str:
        return system_id(self.model, system)

    @property
    def listed(self) -> list[str]:
        """Systems whose result lists are kept; shuffled pairs have the lists of what they control."""
        return [self.id(system) for system in self.systems if system.named and system.control == "none"]


def evaluate(
    activations: Path,
    dataset: Path,
    rep_id: str,
    saes: Sequence[SaeInput],
    config: RetrievalConfig,
    folder: Path,
    progress: Callable[[int, int], None],
) -> None:
    """Score one representation and write the retrieval tables.

    Result lists, effects and comparisons are of the test split. So are the files besides the tables:
    ``adaptations/<task>.safetensors`` (ReAlign, fitted on candidates), ``trec/<task>.qrels``,
    ``trec/<task>.<system>.run``.

    Args:
        activations: artifact with the embeddings.
        dataset: artifact with tasks and judgements.
        rep_id: the representation that is scored.
        saes: whose features to remove; may be empty.
        config: settings.
        folder: where to write.
        progress: called with (tasks done, tasks) after each task.

    Raises:
        DataError: a task has no queries, no candidates, nothing relevant, or too few to fit on, in a split.
        ConfigError: the features to be removed span the whole space.
    """
    embeddings = load_embeddings(activations, rep_id)
    model = str(representations(activations).filter(rep_id=embeddings.rep_id)["model"].item())
    plans = tuple(_plan(sae, config) for sae in saes)
    study = _Study(model, list_systems(config, plans, embeddings.vectors.shape[1]), plans, config)
    judgements = Judgements(dataset)
    for name in ("adaptations", "trec"):
        (folder / name).mkdir(exist_ok=True)

    metrics, ranks, effects, tests = [], [], [], []
    for number, task in enumerate(judgements.tasks.iter_rows(named=True)):
        pools = {split: judgements.pool(task["task_id"], split) for split in SPLITS}
        vectors = TaskVectors(embeddings, pools, task["query_prompt_id"], task["candidate_prompt_id"])
        ks = tuple(sorted({*config.ks, task["primary_k"]}))
        runs = {split: _run(study, vectors, pools[split], ks) for split in ("validation", "test")}
        for scored in (scored for run in runs.values() for scored in run):
            metrics.append(metric_rows(scored, config))
            ranks.append(rank_rows(scored))
        scored, _ = runs["test"]
        hits = hit_rows(scored.pool, {name: scored.results[name] for name in study.listed})
        write_table(folder, "retrieval_hits", hits, shard=number)
        _export(study, folder / "trec", scored.pool, hits)
        if task["control"] == "none":
            _save_realign(study, vectors, folder / "adaptations")
        if plans:
            effects.append(_removal_effects(study, vectors, scored, task["primary_k"]))
        tests.append(_comparisons(study, scored, task["primary_k"]))
        progress(number + 1, judgements.tasks.height)

    systems = [*study.systems, *(single_removal(plan) for plan in plans if plan.singles)]
    write_table(folder, "systems", systems_table(model, embeddings.rep_id, systems, config.seed))
    write_table(folder, "retrieval_metrics", pl.concat(metrics))
    write_table(folder, "retrieval_ranks", pl.concat(ranks))
    write_table(folder, "removal_effects", _with_q("removal_effects", effects))
    write_table(folder, "comparisons", _with_q("comparisons", tests))


def _plan(sae: SaeInput, config: RetrievalConfig) -> RemovalPlan:
    features = read_table(sae.features, "features", ["feature_id", "energy", "attribution_rank"])
    dictionary = load_dictionary(sae.sae)
    return plan_removal(sae.sae_id, features, dictionary, config.removal_share, config.single_features, config.seed)


def _run(study: _Study, vectors: TaskVectors, pool: Pool, ks: tuple[int, ...]) -> tuple[Scored, Scored]:
    """Score all systems on a pool: those judged by its own pairs, then those judged by shuffled ones."""
    if not len(pool.judged):
        raise DataError(
            f"no query of task {pool.task_id} in the split {pool.split} has a relevant candidate",
            "give each query a relevant candidate of its split",
        )
    strangers = shuffled(pool, generator(study.config.seed, f"shuffled_pairs/{pool.task_id}/{pool.split}"))
    own: dict[str, SearchResult] = {}
    control: dict[str, SearchResult] = {}
    depth = max(study.config.depth, *ks)
    for system in study.systems:
        sides = fit(system, vectors, pool.split, study.plans)
        queries = sides[0].apply(vectors.of(pool.split, "queries"))
        candidates = sides[1].apply(vectors.of(pool.split, "candidates"))
        judged_by, results = (strangers, control) if system.control == "shuffled_pairs" else (pool, own)
        results[study.id(system)] = search(queries, candidates, judged_by.relevant, pool.excluded, depth)
    named = {study.id(system) for system in study.systems if system.named}
    return score(pool, own, ks, named), score(strangers, control, ks, named)


def _removal_effects(study: _Study, vectors: TaskVectors, scored: Scored, k: int) -> pl.DataFrame:
    """What each removal does to the test hit rate at k, by set and by single feature."""
    before = scored.scores[study.id(RAW)]["hit_rate", k]
    named: list[dict[str, Any]] = []
    differences = []
    for system in study.systems:
        if system.adaptation == "removal":
            named.append(_effect(study, system, None))
            differences.append(scored.scores[study.id(system)]["hit_rate", k] - before)
    for plan in study.plans:
        for feature_id, basis in plan.singles.items():
            named.append(_effect(study, single_removal(plan), feature_id))
            differences.append(_hits_without(basis, vectors, scored.pool, k) - before)
    return effect_rows(scored.pool, k, named, np.stack(differences), study.config)


def _effect(study: _Study, system: System, feature_id: int | None) -> dict[str, Any]:
    return {
        "sae_id": system.sae_id,
        "system_id": study.id(system),
        "selection": system.selection,
        "feature_id": feature_id,
    }


def _hits_without(basis: Matrix, vectors: TaskVectors, pool: Pool, k: int) -> npt.NDArray[np.float64]:
    """Hit at k (1 or 0) of each judged query once a subspace is removed from both sides."""
    removal = Projection(basis)
    queries, candidates = (removal.apply(vectors.of(pool.split, side)) for side in SIDES)
    ranks = search(queries, candidates, pool.relevant, pool.excluded, depth=1).first_relevant_rank
    return (ranks[pool.judged] <= k).astype(np.float64)


def _comparisons(study: _Study, scored: Scored, k: int) -> pl.DataFrame:
    pairs = comparisons(study.systems)
    named = [{"system_id": study.id(system), "baseline_id": study.id(baseline)} for system, baseline in pairs]
    hits = {system_id: scores["hit_rate", k] for system_id, scores in scored.scores.items()}
    differences = np.stack([hits[study.id(system)] - hits[study.id(baseline)] for system, baseline in pairs])
    return effect_rows(scored.pool, k, named, differences, study.config)


def _with_q(name: str, effects: Sequence[pl.DataFrame]) -> pl.DataFrame | pa.Table:
    """Join the effects of all tasks and correct their p-values as one family."""
    if not effects:
        return TABLES[name].arrow.empty_table()
    joined = pl.concat(effects, how="vertical_relaxed")
    return joined.with_columns(q=corrected(joined["p"].to_numpy()))


def _save_realign(study: _Study, vectors: TaskVectors, folder: Path) -> None:
    realign = next(system for system in study.systems if system.short == "realign")
    sides = fit(realign, vectors, "test", study.plans)
    save_adaptations(folder / f"{vectors.task_id}.safetensors", dict(zip(SIDES, sides, strict=True)))


def _export(study: _Study, folder: Path, pool: Pool, hits: pl.DataFrame) -> None:
    query_ids, candidate_ids = pl.Series(pool.query_ids), pl.Series(pool.candidate_ids)
    qrels = {
        "query_id": query_ids[pool.relevant[:, 0]],
        "sample_id": candidate_ids[pool.relevant[:, 1]],
        "relevance": pool.relevance,
    }
    write_qrels(folder / f"{pool.task_id}.qrels", pl.DataFrame(qrels))
    for system in study.systems:
        if system.short in EXPORTED:
            listed = hits.filter(system_id=study.id(system))
            write_run(folder / f"{pool.task_id}.{system.short}.run", listed, study.id(system))
