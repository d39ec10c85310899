"""The task that compares representations and adaptations over stored embeddings."""

from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from pipeline_core.plan import Plan
from pipeline_core.retrieval.sweep import sweep
from pipeline_core.store.artifacts import Store
from tasks.progress import Progress
from tasks.step import OPTIONS, Outcome, representation_of, run_step


@task(name="sweep", **OPTIONS)
def sweep_systems(plan: Plan, name: str, root: Path) -> Outcome | State[Outcome]:
    """Score every layer, pooling and mask under three adaptations, and every adaptation at the analysed one."""
    store = Store(root)
    step = plan.steps[name]

    def build(folder: Path, progress: Progress) -> None:
        activations, dataset = (plan.input_folder(store, step, role) for role in ("activations", "dataset"))
        rep_id = representation_of(step, activations)
        sweep(activations, dataset, rep_id, step.config.retrieval, step.config.sweep, folder, progress)

    return run_step(plan, name, store, build)
