"""The task that searches and scores."""

from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from pipeline_core.plan import Plan
from pipeline_core.retrieval.evaluate import SaeInput, evaluate
from pipeline_core.store import Store
from tasks.progress import Progress
from tasks.step import OPTIONS, Outcome, run_step


@task(name="retrieval", **OPTIONS)
def score(plan: Plan, name: str, root: Path) -> Outcome | State[Outcome]:
    """Score every system on every task, and what removing features does."""
    store = Store(root)
    step = plan.steps[name]
    model = step.model
    assert model is not None, f"{name} concerns a model"

    def build(folder: Path, progress: Progress) -> None:
        recipes = [role.removeprefix("sae:") for role in step.inputs if role.startswith("sae:")]
        saes = [
            SaeInput(
                f"{model.name}/{recipe}",
                plan.input_folder(store, step, f"sae:{recipe}"),
                plan.input_folder(store, step, f"features:{recipe}"),
            )
            for recipe in recipes
        ]
        activations, dataset = (plan.input_folder(store, step, role) for role in ("activations", "dataset"))
        evaluate(activations, dataset, saes, plan.config.retrieval, folder, progress)

    return run_step(plan, name, store, build)
