"""The retrieval stage: every task, in validation and test, by every system; one task in memory at a time.

Nothing is chosen here: systems are fixed by the config and by statistics of train and support, and test is scored once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline_core.activations.vectors import Matrix, load_dictionary, load_embeddings, representations
from pipeline_core.config import RetrievalConfig
from pipeline_core.retrieval.effects import Singles, removal_effects
from pipeline_core.retrieval.fitting import TaskVectors
from pipeline_core.retrieval.judgements import Pool, shuffled
from pipeline_core.retrieval.problems import SCORED, Problem, problems
from pipeline_core.retrieval.randomness import generator
from pipeline_core.retrieval.removal import RemovalPlan, SaeInput, plan_removal
from pipeline_core.retrieval.running import run_systems, save_fitted
from pipeline_core.retrieval.scoring import Scored, comparison_rows, families, hit_rows, metric_rows, rank_rows, score
from pipeline_core.retrieval.search import SearchResult
from pipeline_core.retrieval.systems import (
    RAW,
    System,
    comparisons,
    list_systems,
    removal_bases,
    single_removal,
    system_id,
    systems_table,
)
from pipeline_core.retrieval.trec import write_qrels, write_run
from pipeline_core.schema.parquet import read_table, write_table

EXPORTED = ("raw", "realign")
"""Systems whose result lists are also written as TREC run files."""


@dataclass(frozen=True)
class _Study:
    """What is the same for every task."""

    model: str
    systems: tuple[System, ...]
    bases: dict[str, Matrix]
    config: RetrievalConfig

    def id(self, system: System) -> str:
        return system_id(self.model, system)

    @property
    def named(self) -> list[System]:
        """Systems whose result lists are kept; shuffled pairs have the lists of what they control."""
        return [system for system in self.systems if system.named and system.control == "none"]


@dataclass(frozen=True)
class _Run:
    """One task and split, run: result lists, and how they score by their own pairs and by shuffled ones."""

    results: dict[str, SearchResult]
    own: Scored
    strangers: Scored


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
    ``adaptations/<task>.safetensors`` (each named system, fitted for the test split: ``<short>/queries`` and
    ``<short>/candidates``), ``trec/<task>.qrels``, ``trec/<task>.<system>.run``.

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
    systems = list_systems(config, plans, embeddings.vectors.shape[1])
    removals = [system for system in systems if system.adaptation == "removal"]
    singles = [Singles(single_removal(plan), plan.singles) for plan in plans]
    study = _Study(model, systems, removal_bases(plans), config)
    for name in ("adaptations", "trec"):
        (folder / name).mkdir(exist_ok=True)

    metrics, ranks = [], []
    # Control tasks are a family of their own: the q of a task does not depend on how many controls it has.
    effects: dict[bool, list[pl.DataFrame]] = {True: [], False: []}
    tests: dict[bool, list[pl.DataFrame]] = {True: [], False: []}
    tasks = problems(dataset, config.ks)
    for number, problem in enumerate(tasks):
        vectors = TaskVectors(embeddings, problem.pools, problem.query_prompt_id, problem.candidate_prompt_id)
        runs = {split: _run(study, vectors, problem, split) for split in SCORED}
        for run in runs.values():
            for scored in (run.own, run.strangers):
                metrics.append(metric_rows(scored, config))
                ranks.append(rank_rows(scored))
        test = runs["test"]
        _write_lists(study, folder, problem.pools["test"], test.results, number)
        if problem.control == "none":
            save_fitted(folder / "adaptations", study.named, vectors, study.bases)
        if plans:
            k = problem.primary_k
            effects[problem.control == "none"].append(
                removal_effects(model, RAW, removals, singles, vectors, test.own, k, config)
            )
        pairs = [(study.id(system), study.id(baseline)) for system, baseline in comparisons(systems)]
        tests[problem.control == "none"].append(comparison_rows(test.own, pairs, problem.primary_k, config))
        progress(number + 1, len(tasks))

    listed = [*systems, *(alone.system for alone in singles if alone.bases)]
    write_table(folder, "systems", systems_table(model, embeddings.rep_id, listed, config.seed))
    write_table(folder, "retrieval_metrics", pl.concat(metrics))
    write_table(folder, "retrieval_ranks", pl.concat(ranks))
    write_table(folder, "removal_effects", families("removal_effects", *effects.values()))
    write_table(folder, "comparisons", families("comparisons", *tests.values()))


def _plan(sae: SaeInput, config: RetrievalConfig) -> RemovalPlan:
    features = read_table(sae.features, "features", ["feature_id", "energy", "attribution_rank"])
    dictionary = load_dictionary(sae.sae)
    return plan_removal(sae.sae_id, features, dictionary, config.removal_share, config.single_features, config.seed)


def _run(study: _Study, vectors: TaskVectors, problem: Problem, split: str) -> _Run:
    pool = problem.pools[split]
    strangers = shuffled(pool, generator(study.config.seed, f"shuffled_pairs/{pool.task_id}/{pool.split}"))
    depth = max(study.config.depth, *problem.ks)
    listed = {study.id(system) for system in study.systems if system.named}
    own, control = (
        run_systems(
            study.model,
            [system for system in study.systems if system.control == kind],
            vectors,
            judged_by,
            study.bases,
            depth,
        )
        for kind, judged_by in (("none", pool), ("shuffled_pairs", strangers))
    )
    return _Run(own, score(pool, own, problem.ks, listed), score(strangers, control, problem.ks, listed))


def _write_lists(study: _Study, folder: Path, pool: Pool, results: Mapping[str, SearchResult], number: int) -> None:
    """Write the result lists of named systems: a shard of ``retrieval_hits``, and TREC files."""
    hits = hit_rows(pool, {study.id(system): results[study.id(system)] for system in study.named})
    write_table(folder, "retrieval_hits", hits, shard=number)
    query_ids, candidate_ids = pl.Series(pool.query_ids), pl.Series(pool.candidate_ids)
    qrels = {
        "query_id": query_ids[pool.relevant[:, 0]],
        "sample_id": candidate_ids[pool.relevant[:, 1]],
        "relevance": pool.relevance,
    }
    write_qrels(folder / "trec" / f"{pool.task_id}.qrels", pl.DataFrame(qrels))
    for system in study.systems:
        if system.short in EXPORTED:
            listed = hits.filter(system_id=study.id(system))
            write_run(folder / "trec" / f"{pool.task_id}.{system.short}.run", listed, study.id(system))
