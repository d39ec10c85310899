"""The task that measures the dose response of removing features."""

from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from pipeline_core.plan import Plan
from pipeline_core.retrieval.dose import measure_removal
from pipeline_core.store.artifacts import Store
from tasks.progress import Progress
from tasks.saes import sae_inputs
from tasks.step import OPTIONS, Outcome, representation_of, run_step


@task(name="removal", **OPTIONS)
def remove_features(plan: Plan, name: str, root: Path) -> Outcome | State[Outcome]:
    """Remove features by share, rank, one at a time and cumulatively, and every control as far."""
    store = Store(root)
    step = plan.steps[name]

    def build(folder: Path, progress: Progress) -> None:
        activations, dataset = (plan.input_folder(store, step, role) for role in ("activations", "dataset"))
        rep_id = representation_of(step, activations)
        saes = sae_inputs(plan, store, step)
        measure_removal(activations, dataset, rep_id, saes, step.config.retrieval, step.config.sweep, folder, progress)

    return run_step(plan, name, store, build)
