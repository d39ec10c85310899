"""The task that computes feature statistics."""

from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from pipeline_core.features.compute import compute_features
from pipeline_core.plan import Plan
from pipeline_core.store.artifacts import Store
from tasks.progress import Progress
from tasks.step import OPTIONS, Outcome, run_step

_ROLES = ("sae", "codes", "dataset")


@task(name="features", **OPTIONS)
def describe_features(plan: Plan, name: str, root: Path) -> Outcome | State[Outcome]:
    """Write energy, modality, bridge, attribution, overlaps and examples of every feature."""
    store = Store(root)
    step = plan.steps[name]

    def build(folder: Path, progress: Progress) -> None:
        sae, codes, dataset = (plan.input_folder(store, step, role) for role in _ROLES)
        compute_features(sae, codes, dataset, step.config.features, folder)

    return run_step(plan, name, store, build)
