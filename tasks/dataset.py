"""The task that builds the data set, or draws its splits anew."""

from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from pipeline_core.dataset.redraw import redraw_splits
from pipeline_core.dataset.registry import build_dataset
from pipeline_core.plan import Plan
from pipeline_core.store.artifacts import Store
from tasks.progress import Progress
from tasks.step import OPTIONS, Outcome, run_step


@task(name="dataset", **OPTIONS)
def make_dataset(plan: Plan, name: str, root: Path) -> Outcome | State[Outcome]:
    """Read the source, split it by group, and write samples, tasks and judgements.

    In a repetition, the analysis's data set is taken, and its support and validation splits are drawn anew.
    """
    store = Store(root)
    step = plan.steps[name]

    def build(folder: Path, progress: Progress) -> None:
        if step.repetition:
            redraw_splits(plan.input_folder(store, step, "dataset"), step.config.dataset.seed, folder)
        else:
            build_dataset(step.config.dataset, folder)

    return run_step(plan, name, store, build)
