"""The task that searches and scores."""

from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from pipeline_core.plan import Plan
from pipeline_core.retrieval.evaluate import evaluate
from pipeline_core.store.artifacts import Store
from tasks.progress import Progress
from tasks.saes import sae_inputs
from tasks.step import OPTIONS, Outcome, representation_of, run_step


@task(name="retrieval", **OPTIONS)
def score(plan: Plan, name: str, root: Path) -> Outcome | State[Outcome]:
    """Score every system on every task, and what removing features does."""
    store = Store(root)
    step = plan.steps[name]

    def build(folder: Path, progress: Progress) -> None:
        activations, dataset = (plan.input_folder(store, step, role) for role in ("activations", "dataset"))
        rep_id = representation_of(step, activations)
        saes = sae_inputs(plan, store, step)
        evaluate(activations, dataset, rep_id, saes, step.config.retrieval, folder, progress)

    return run_step(plan, name, store, build)
