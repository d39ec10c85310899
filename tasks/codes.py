"""The task that encodes embeddings sparsely."""

from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from pipeline_core.codes.encode import encode_embeddings
from pipeline_core.plan import Plan
from pipeline_core.store.artifacts import Store
from tasks.progress import Progress
from tasks.step import OPTIONS, Outcome, representation_of, run_step


@task(name="codes", **OPTIONS)
def encode(plan: Plan, name: str, root: Path) -> Outcome | State[Outcome]:
    """Write the sparse codes of the embeddings, and how well they are reconstructed."""
    store = Store(root)
    step = plan.steps[name]

    def build(folder: Path, progress: Progress) -> None:
        sae, activations, dataset = (plan.input_folder(store, step, role) for role in ("sae", "activations", "dataset"))
        encode_embeddings(sae, activations, dataset, representation_of(step, activations), folder)

    return run_step(plan, name, store, build)
