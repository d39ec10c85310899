"""The task that builds the vector index."""

from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from pipeline_core.index.build import build_index
from pipeline_core.plan import Plan
from pipeline_core.store.artifacts import Store
from tasks.progress import Progress
from tasks.step import OPTIONS, Outcome, representation_of, run_step


@task(name="index", **OPTIONS)
def make_index(plan: Plan, name: str, root: Path) -> Outcome | State[Outcome]:
    """Index the embeddings, raw and realigned, and measure the index against exact search."""
    store = Store(root)
    step = plan.steps[name]

    def build(folder: Path, progress: Progress) -> None:
        activations, dataset = (plan.input_folder(store, step, role) for role in ("activations", "dataset"))
        build_index(
            activations, dataset, representation_of(step, activations), step.config.index, step.config.retrieval, folder
        )

    return run_step(plan, name, store, build)
