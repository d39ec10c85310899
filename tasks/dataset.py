"""The task that builds the data set."""

from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from pipeline_core.datasets.registry import build_dataset
from pipeline_core.plan import Plan
from pipeline_core.store import Store
from tasks.progress import Progress
from tasks.step import OPTIONS, Outcome, run_step


@task(name="dataset", **OPTIONS)
def make_dataset(plan: Plan, name: str, root: Path) -> Outcome | State[Outcome]:
    """Read the source, split it by group, and write samples, tasks and judgements."""

    def build(folder: Path, progress: Progress) -> None:
        build_dataset(plan.config.dataset, folder)

    return run_step(plan, name, Store(root), build)
