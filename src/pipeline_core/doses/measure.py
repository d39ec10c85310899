"""The doses stage: how retrieval responds to the dose of what is removed, beside controls removed as far.

Each SAE's features are removed by share, by rank, cumulatively and one at a time (plan.py). What is removed is chosen
by statistics of train and support, and where there are none nothing is removed; test is scored once.
"""

from dataclasses import replace

from pipeline_core.doses.plan import STUDY, plan_doses
from pipeline_core.doses.settings import DoseSettings
from pipeline_core.retrieval.adaptations import RAW
from pipeline_core.retrieval.adaptations.removal import recipe_of, removal_settings
from pipeline_core.retrieval.maps import Map, Projection, save_maps
from pipeline_core.retrieval.saes import read_saes
from pipeline_core.retrieval.study import Bench, Study, score_study

BASELINE = replace(RAW, short=f"{STUDY}/{RAW.short}", named=False, study=STUDY)


def measure_doses(bench: Bench, settings: DoseSettings) -> None:
    """Score every removal on every task that is no control, and write the tables of the stage.

    Effects (each removal against raw) and comparisons (attribution against its controls, at each share) are of the test
    split; each of the two tables is one family of tests. Beside the tables are the projections, which no task changes:
    ``adaptations/<name>.safetensors``.

    Args:
        bench: what is scored; the features of its autoencoders are removed.
        settings: doses; the share that adaptations remove is swept by rank.

    Raises:
        DataError: a task has no queries, no candidates, nothing relevant, or too few to fit on, in a split.
        StoreError: the artifact has no such representation, or a sample was not embedded.
    """
    share = removal_settings(bench.adaptations).share
    saes = read_saes(bench.saes, bench.dataset)
    plans = [plan_doses(sae, settings, share, bench.scoring.seed) for sae in saes]
    (bench.folder / "adaptations").mkdir(exist_ok=True)
    for sae, plan in zip(saes, plans, strict=True):
        projections: dict[str, Map] = {s.short: Projection(s.basis) for s in plan.systems if s.basis is not None}
        save_maps(bench.folder / "adaptations" / f"{recipe_of(sae.sae_id)}.safetensors", projections)
    score_study(
        Study(
            "doses",
            bench,
            (BASELINE, *(system for plan in plans for system in plan.systems)),
            tuple(pair for plan in plans for pair in plan.pairs),
            tuple(plan.singles for plan in plans),
        )
    )
