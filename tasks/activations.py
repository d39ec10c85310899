"""The task that runs a model once over every sample."""

from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from pipeline_core.activations.extract import extract
from pipeline_core.models.registry import load_adapter
from pipeline_core.plan import Plan
from pipeline_core.store.artifacts import Store
from tasks.progress import Progress
from tasks.step import OPTIONS, Outcome, run_step

MODELS = ".models"
"""Folder of the store that holds assembled reference models."""


@task(name="activations", **OPTIONS)
def extract_activations(plan: Plan, name: str, root: Path) -> Outcome | State[Outcome]:
    """Write token states and pooled embeddings, shard by shard; an interrupted run goes on from its last shard."""
    store = Store(root)
    step = plan.steps[name]
    model = step.model
    assert model is not None, f"{name} concerns a model"

    def build(folder: Path, progress: Progress) -> None:
        adapter = load_adapter(model, store.root / MODELS)
        dataset = plan.input_folder(store, step, "dataset")
        extract(adapter, dataset, plan.config.extraction, model, folder, progress)

    return run_step(plan, name, store, build)
