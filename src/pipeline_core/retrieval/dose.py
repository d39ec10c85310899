"""The removal stage: how retrieval responds to the dose of what is removed, beside controls removed as far.

Each SAE's features are removed by share, by rank, cumulatively and one at a time (dose_plan.py). What is removed is
chosen by statistics of train and support; test is scored once.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from pipeline_core.activations.vectors import load_dictionary, load_embeddings, representations
from pipeline_core.config import RetrievalConfig, SweepConfig
from pipeline_core.retrieval.adaptations import Adaptation, Projection, save_adaptations
from pipeline_core.retrieval.dose_plan import STUDY, DosePlan, plan_doses
from pipeline_core.retrieval.effects import removal_effects
from pipeline_core.retrieval.fitting import TaskVectors
from pipeline_core.retrieval.problems import SCORED, problems
from pipeline_core.retrieval.removal import SaeInput
from pipeline_core.retrieval.running import run_systems
from pipeline_core.retrieval.scoring import comparison_rows, families, metric_rows, rank_rows, score
from pipeline_core.retrieval.systems import System, system_id, systems_table
from pipeline_core.schema.parquet import read_table, write_table

RAW = System(f"{STUDY}/raw", "identity", "raw", named=False, study=STUDY)


def measure_removal(
    activations: Path,
    dataset: Path,
    rep_id: str,
    saes: Sequence[SaeInput],
    retrieval: RetrievalConfig,
    config: SweepConfig,
    folder: Path,
    progress: Callable[[int, int], None],
) -> None:
    """Score every removal on every task that is no control, and write the tables of the stage.

    Effects (each removal against raw) and comparisons (attribution against its controls, at each share) are of the test
    split; each of the two tables is one family of tests. Beside the tables are the projections, which no task changes:
    ``adaptations/<recipe>.safetensors``.

    Args:
        activations: artifact with the embeddings.
        dataset: artifact with tasks and judgements.
        rep_id: the representation whose vectors are projected.
        saes: whose features to remove.
        retrieval: cut-offs, resamples, permutations, seed, and the share that is swept by rank.
        config: doses.
        folder: where to write.
        progress: called with (tasks done, tasks) after each task.

    Raises:
        DataError: a task has no queries, no candidates, nothing relevant, or too few to fit on, in a split.
        StoreError: the artifact has no such representation, or a sample was not embedded.
    """
    embeddings = load_embeddings(activations, rep_id)
    model = str(representations(activations).filter(rep_id=rep_id)["model"].item())
    plans = [_plan(sae, retrieval, config) for sae in saes]
    removals = [system for plan in plans for system in plan.systems]
    bases = {short: basis for plan in plans for short, basis in plan.bases.items()}
    singles = [plan.singles for plan in plans]
    pairs = [(system_id(model, s), system_id(model, b)) for plan in plans for s, b in plan.pairs]

    (folder / "adaptations").mkdir(exist_ok=True)
    for sae, plan in zip(saes, plans, strict=True):
        projections: dict[str, Adaptation] = {short: Projection(basis) for short, basis in plan.bases.items()}
        save_adaptations(folder / "adaptations" / f"{sae.sae_id.rpartition('/')[2]}.safetensors", projections)

    metrics, ranks, effects, tests = [], [], [], []
    tasks = [problem for problem in problems(dataset, retrieval.ks) if problem.control == "none"]
    for number, problem in enumerate(tasks):
        vectors = TaskVectors(embeddings, problem.pools, problem.query_prompt_id, problem.candidate_prompt_id)
        for split in SCORED:
            pool = problem.pools[split]
            results = run_systems(model, (RAW, *removals), vectors, pool, bases, depth=1)
            scored = score(pool, results, problem.ks, listed=())
            metrics.append(metric_rows(scored, retrieval))
            ranks.append(rank_rows(scored))
            if split == "test":
                k = problem.primary_k
                effects.append(removal_effects(model, RAW, removals, singles, vectors, scored, k, retrieval))
                if pairs:
                    tests.append(comparison_rows(scored, pairs, k, retrieval))
        progress(number + 1, len(tasks))

    systems = (RAW, *removals, *(of.system for of in singles if of.bases))
    write_table(folder, "systems", systems_table(model, rep_id, systems, retrieval.seed))
    write_table(folder, "retrieval_metrics", pl.concat(metrics))
    write_table(folder, "retrieval_ranks", pl.concat(ranks))
    write_table(folder, "removal_effects", families("removal_effects", effects))
    write_table(folder, "comparisons", families("comparisons", tests))


def _plan(sae: SaeInput, retrieval: RetrievalConfig, config: SweepConfig) -> DosePlan:
    features = read_table(sae.features, "features")
    return plan_doses(sae.sae_id, features, load_dictionary(sae.sae), retrieval, config)
