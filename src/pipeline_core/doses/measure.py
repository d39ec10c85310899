"""The doses stage: how retrieval responds to the dose of what is removed, beside controls removed as far.

Each SAE's features are removed by share, by rank, cumulatively and one at a time (plan.py). What is removed is chosen
by statistics of train and support; test is scored once.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline_core.activations.vectors import representations
from pipeline_core.doses.plan import STUDY, plan_doses
from pipeline_core.doses.settings import DoseSettings
from pipeline_core.retrieval.adaptations import RAW
from pipeline_core.retrieval.adaptations.removal import recipe_of, removal_settings
from pipeline_core.retrieval.maps import Map, Projection, save_maps
from pipeline_core.retrieval.saes import SaeInput
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.retrieval.study import Study, score_study
from pipeline_core.settings import Section

BASELINE = replace(RAW, short=f"{STUDY}/{RAW.short}", named=False, study=STUDY)


def measure_doses(
    activations: Path,
    dataset: Path,
    rep_id: str,
    saes: Sequence[SaeInput],
    settings: DoseSettings,
    scoring: ScoringSettings,
    adaptations: Section,
    folder: Path,
    progress: Callable[[int, int], None],
) -> None:
    """Score every removal on every task that is no control, and write the tables of the stage.

    Effects (each removal against raw) and comparisons (attribution against its controls, at each share) are of the test
    split; each of the two tables is one family of tests. Beside the tables are the projections, which no task changes:
    ``adaptations/<name>.safetensors``.

    Args:
        activations: artifact with the embeddings.
        dataset: artifact with tasks and judgements.
        rep_id: the representation whose vectors are projected.
        saes: whose features to remove.
        settings: doses.
        scoring: cut-offs, resamples, permutations, seed.
        adaptations: parameters of the adaptations; the share of removal is swept by rank.
        folder: where to write.
        progress: called with (tasks done, tasks) after each task.

    Raises:
        DataError: a task has no queries, no candidates, nothing relevant, or too few to fit on, in a split.
        StoreError: the artifact has no such representation, or a sample was not embedded.
    """
    share = removal_settings(adaptations).share
    plans = [plan_doses(sae.read(), settings, share, scoring.seed) for sae in saes]
    (folder / "adaptations").mkdir(exist_ok=True)
    for sae, plan in zip(saes, plans, strict=True):
        projections: dict[str, Map] = {s.short: Projection(s.basis) for s in plan.systems if s.basis is not None}
        save_maps(folder / "adaptations" / f"{recipe_of(sae.sae_id)}.safetensors", projections)
    study = Study(
        "doses",
        str(representations(activations)["model"][0]),
        rep_id,
        (BASELINE, *(system for plan in plans for system in plan.systems)),
        tuple(pair for plan in plans for pair in plan.pairs),
        tuple(plan.singles for plan in plans),
    )
    score_study(study, activations, dataset, scoring, folder, progress)
