"""The task that looks where a generative model attends."""

from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from pipeline_core.attention.measure import measure_attention
from pipeline_core.models.generative import GenerativeAdapter
from pipeline_core.models.registry import load_adapter
from pipeline_core.plan import Plan
from pipeline_core.store.artifacts import Store
from tasks.activations import MODELS
from tasks.progress import Progress
from tasks.step import OPTIONS, Outcome, run_step


@task(name="attention", **OPTIONS)
def measure(plan: Plan, name: str, root: Path) -> Outcome | State[Outcome]:
    """Write the attention mass by layer, head and role of chosen samples, and maps over their pictures."""
    store = Store(root)
    step = plan.steps[name]
    model = step.model
    assert model is not None, f"{name} concerns a model"

    def build(folder: Path, progress: Progress) -> None:
        # Only eager attention gives its weights.
        adapter = load_adapter(model.model_copy(update={"attention": "eager"}), store.root / MODELS)
        assert isinstance(adapter, GenerativeAdapter), "only generative models have an attention step"
        dataset = plan.input_folder(store, step, "dataset")
        measure_attention(adapter, dataset, step.config.attention, folder, progress)

    return run_step(plan, name, store, build)
