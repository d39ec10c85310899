"""The task that times adaptation beside search."""

from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from pipeline_core.activations.vectors import embedding_width
from pipeline_core.efficiency.measure import measure_efficiency
from pipeline_core.plan import Plan
from pipeline_core.store.artifacts import Store
from tasks.progress import Progress
from tasks.step import OPTIONS, Outcome, run_step


@task(name="efficiency", **OPTIONS)
def time_operations(plan: Plan, name: str, root: Path) -> Outcome | State[Outcome]:
    """Time ReAlign's fit and application and exact search, by size of the pool."""
    store = Store(root)
    step = plan.steps[name]
    model = step.model
    assert model is not None, f"{name} concerns a model"

    def build(folder: Path, progress: Progress) -> None:
        width = embedding_width(plan.input_folder(store, step, "activations"))
        measure_efficiency(model.name, width, step.config.efficiency, step.config.retrieval, folder, progress)

    return run_step(plan, name, store, build)
