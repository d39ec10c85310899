"""The sweep stage: every layer, pooling, mask and adaptation over stored embeddings; no model is run.

One representation is in memory at a time. Nothing is chosen here: every system listed beforehand is scored and kept.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from pipeline_core.activations.vectors import embedding_width, load_embeddings, representations
from pipeline_core.config import RetrievalConfig, SweepConfig
from pipeline_core.retrieval.fitting import SpectrumCache, TaskVectors
from pipeline_core.retrieval.layer_average import LayerAverages
from pipeline_core.retrieval.problems import SCORED, Problem, problems
from pipeline_core.retrieval.running import run_systems, save_fitted
from pipeline_core.retrieval.scoring import Scored, comparison_rows, families, joined, metric_rows, rank_rows, score
from pipeline_core.retrieval.sweep_systems import SweepSystems, compared, list_sweep
from pipeline_core.retrieval.systems import system_id, systems_table
from pipeline_core.schema.parquet import write_table

Parts = dict[tuple[str, str], list[Scored]]
"""What has been scored of each (task, split), a part for each representation."""


def sweep(
    activations: Path,
    dataset: Path,
    rep_id: str,
    retrieval: RetrievalConfig,
    config: SweepConfig,
    folder: Path,
    progress: Callable[[int, int], None],
) -> None:
    """Score the sweep's systems on every task that is no control, and write its tables.

    Comparisons are of the test split, all one family of tests. Beside the tables are the adaptations of the
    analysed representation as fitted for the test split: ``adaptations/<task>.safetensors``.

    Args:
        activations: artifact with the embeddings.
        dataset: artifact with tasks and judgements.
        rep_id: the representation that every adaptation is tried on.
        retrieval: ReAlign's beta and eps, cut-offs, resamples, seed.
        config: what is swept.
        folder: where to write.
        progress: called with (representations done, representations) after each.

    Raises:
        DataError: a task has no queries, no candidates, nothing relevant, or too few to fit on, in a split.
        StoreError: the artifact has no such representation, or a sample was not embedded.
    """
    table = representations(activations)
    model = str(table["model"][0])
    systems = list_sweep(table, rep_id, embedding_width(activations), retrieval, config)
    tasks = [problem for problem in problems(dataset, retrieval.ks) if problem.control == "none"]
    (folder / "adaptations").mkdir(exist_ok=True)
    parts = _score(activations, model, systems, tasks, folder, progress)

    metrics, ranks, tests = [], [], []
    pairs = [(system_id(model, s), system_id(model, b)) for s, b in compared(systems, table, retrieval)]
    for problem in tasks:
        for split in SCORED:
            scored = joined(parts[problem.task_id, split])
            metrics.append(metric_rows(scored, retrieval))
            ranks.append(rank_rows(scored))
            if split == "test":
                here = [pair for pair in pairs if set(pair) <= scored.scores.keys()]
                tests.append(comparison_rows(scored, here, problem.primary_k, retrieval))
    write_table(folder, "systems", systems_table(model, rep_id, systems.all, retrieval.seed))
    write_table(folder, "retrieval_metrics", pl.concat(metrics))
    write_table(folder, "retrieval_ranks", pl.concat(ranks))
    write_table(folder, "comparisons", families("comparisons", tests))


def _score(
    activations: Path,
    model: str,
    systems: SweepSystems,
    tasks: Sequence[Problem],
    folder: Path,
    progress: Callable[[int, int], None],
) -> Parts:
    """Score all systems, representation by representation; recall and nDCG only in the study of adaptations."""
    parts: Parts = {(problem.task_id, split): [] for problem in tasks for split in SCORED}
    listed = {system_id(model, system) for system in (*systems.adaptations, *systems.combined)}
    averages = LayerAverages(systems.combined, tasks)
    groups = systems.by_representation()
    for done, (rep_id, members) in enumerate(groups.items()):
        embeddings = load_embeddings(activations, rep_id)
        spectra = SpectrumCache(embeddings.vectors)
        fitted = [system for system in members if system.study == "adaptations"]
        for problem in tasks:
            vectors = TaskVectors(
                embeddings, problem.pools, problem.query_prompt_id, problem.candidate_prompt_id, spectra
            )
            for split in SCORED:
                pool = problem.pools[split]
                results = run_systems(model, members, vectors, pool, {}, max(problem.ks))
                parts[problem.task_id, split].append(score(pool, results, problem.ks, listed))
                averages.add(rep_id, vectors, pool)
            if fitted:
                save_fitted(folder / "adaptations", fitted, vectors, {})
        progress(done + 1, len(groups))
    for problem in tasks:
        for split in SCORED if systems.combined else ():
            pool = problem.pools[split]
            results = averages.results(model, pool, max(problem.ks))
            if results:
                parts[problem.task_id, split].append(score(pool, results, problem.ks, listed))
    return parts
