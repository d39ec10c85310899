"""What every task does: materialise its step in the store under the contract, and show the outcome in the UI."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Completed
from prefect.tasks import Task

from pipeline_core.activations.vectors import analysis_representation
from pipeline_core.contracts.validation import validate_artifact
from pipeline_core.errors import LensError
from pipeline_core.plan import Plan, Step
from pipeline_core.store.artifacts import Artifact, Store
from pipeline_core.threads import limited_threads
from tasks.progress import Progress, artifact_key

RETRY_DELAYS = [2.0, 10.0]
_PERMANENT = (LensError, FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_OUT_OF_MEMORY = "OutOfMemoryError"


@dataclass(frozen=True)
class Outcome:
    """What a task returns: a reference to its artifact, never the data; ``seconds`` are those of this run."""

    name: str
    stage: str
    fingerprint: str
    cached: bool
    seconds: float


async def is_transient(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Say whether a failure may pass by itself: input or output, network, device memory; never a user's mistake."""
    error = await state.aresult(raise_on_failure=False)
    if isinstance(error, _PERMANENT):
        return False
    return isinstance(error, OSError) or type(error).__name__ == _OUT_OF_MEMORY


OPTIONS: dict[str, Any] = {
    # The store is the cache: Prefect's own would answer for artifacts that are gone.
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": len(RETRY_DELAYS),
    "retry_delay_seconds": RETRY_DELAYS,
    "retry_condition_fn": is_transient,
    "task_run_name": "{name}",
}
"""Options of every task of a step."""


def run_step(plan: Plan, name: str, store: Store, build: Callable[[Path, Progress], None]) -> Outcome | State[Outcome]:
    """Build (or find) the artifact of a step; on a hit the state is called Cached, so that the UI shows it.

    Args:
        plan: the run's plan.
        name: the step.
        store: where artifacts live.
        build: writes the artifact into the folder that it is given, telling its progress.

    Raises:
        LensError: a user's mistake, a broken contract among them. It is not retried.
    """
    step = plan.steps[name]
    logger = get_run_logger()
    progress = Progress(name, logger)

    def validate(folder: Path) -> list[dict[str, Any]]:
        results = validate_artifact(step.stage, folder, _contract_parameters(plan, step))
        logger.info("%s: %d expectations hold", name, sum(result.success for result in results))
        return [asdict(result) for result in results]

    started = time.monotonic()
    with limited_threads(plan.config.extraction.threads):
        artifact, cached = store.materialize(step.key, lambda folder: build(folder, progress), validate)
    outcome = Outcome(name, step.stage, artifact.fingerprint, cached, time.monotonic() - started)
    if cached:
        return Completed(name="Cached", message=f"{step.stage}/{artifact.fingerprint} was in the store", data=outcome)
    logger.info("%s: published %s/%s after %.1f s", name, step.stage, artifact.fingerprint, outcome.seconds)
    _show(name, artifact)
    return outcome


def representation_of(step: Step, activations: Path) -> str:
    """Return the rep_id, among those stored, of the representation that the step's config asks for."""
    wanted = step.config.representation
    return analysis_representation(activations, wanted.pooling, wanted.mask)


def _contract_parameters(plan: Plan, step: Step) -> dict[str, int]:
    """Return what a stage's contract must know of the config: how sparse codes are, and how wide."""
    if step.stage != "codes":
        return {}
    size = step.config.sae.contrastive if step.contrastive else step.config.sae
    return {"k": size.k, "width": size.features}


def _show(name: str, artifact: Artifact) -> None:
    rows: list[dict[str, Any]] = [{"table": table, "rows": int(n)} for table, n in artifact.manifest.rows.items()]
    create_table_artifact(
        rows or [{"file": file.path, "bytes": file.size} for file in artifact.manifest.files],
        key=artifact_key(name, "tables"),
        description=f"{artifact.stage}/{artifact.fingerprint}, built in {artifact.manifest.seconds:.1f} s",
    )
