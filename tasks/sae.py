"""The task that trains a sparse autoencoder."""

from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from pipeline_core.plan import Plan
from pipeline_core.sae.trainer import train_sae
from pipeline_core.store.artifacts import Store
from tasks.progress import Progress
from tasks.step import OPTIONS, Outcome, run_step


@task(name="sae", **OPTIONS)
def train(plan: Plan, name: str, root: Path) -> Outcome | State[Outcome]:
    """Train on the stored token states; an interrupted run goes on from its last checkpoint."""
    store = Store(root)
    step = plan.steps[name]
    model, recipe = step.model, step.recipe
    assert model is not None, f"{name} concerns a model"
    assert recipe is not None, f"{name} follows a recipe"

    def build(folder: Path, progress: Progress) -> None:
        activations = plan.input_folder(store, step, "activations")
        threads = plan.config.extraction.threads
        train_sae(activations, recipe, step.config.sae, step.contrastive, model.name, folder, threads, progress)

    return run_step(plan, name, store, build)
