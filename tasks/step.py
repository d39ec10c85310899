"""Any step as a Prefect task: carried out, retried where that may help, and its outcome shown in the UI."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Completed
from prefect.tasks import Task

from pipeline_core.pipeline import STAGES
from pipeline_core.planner.execution import RETRY_DELAYS, Outcome, build_part, carry_out, may_pass
from pipeline_core.planner.plan import Plan
from pipeline_core.stage import Partitioned
from pipeline_core.store.artifacts import Store
from pipeline_core.store.manifest import Artifact
from tasks.events import events_of, mistakes_logged
from tasks.progress import Progress, artifact_key


async def is_transient(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Say whether a failed attempt may pass by itself."""
    return may_pass(await state.aresult(raise_on_failure=False))


def run_step(plan: Plan, name: str, root: Path, run_id: str, spent: float = 0.0) -> Outcome | State[Outcome]:
    """Build (or find) the artifact of a step; on a hit the state is called Cached, so that the UI shows it.

    Args:
        plan: the run's plan.
        name: the step.
        root: the store's folder.
        run_id: the run's id in the journal.
        spent: seconds that its parts took, if workers built them before.

    Raises:
        LensError: a user's mistake, a broken contract among them. It is not retried.
    """
    logger = get_run_logger()
    with events_of(run_id, plan.steps[name]), mistakes_logged(logger):
        outcome, artifact = carry_out(plan, name, Store(root), Progress(name, logger), spent)
        line = outcome.line(run_id, artifact.n_held)
        logger.info(line)
    if not outcome.cached:
        _show_tables(name, artifact)
    summary = plan.steps[name].maker.summary(artifact.folder)
    if summary is not None:
        create_markdown_artifact(summary, key=artifact_key(name, "summary"), description="What was found")
    return Completed(name="Cached", message=line, data=outcome) if outcome.cached else outcome


def run_part(plan: Plan, name: str, root: Path, run_id: str, number: int) -> float:
    """Build one part of a step of a run, and return the seconds that it took.

    Raises:
        LensError: a user's mistake. It is not retried.
    """
    logger = get_run_logger()
    with events_of(run_id, plan.steps[name]), mistakes_logged(logger):
        seconds = build_part(plan, name, Store(root), number)
        logger.info("%s, part %d: built in %.1f s", name, number, seconds)
    return seconds


def _task(function: Callable[..., Any], name: str, about: str, run_name: str) -> Task[..., Any]:
    return Task(
        function,
        name=name,
        description=about,
        task_run_name=run_name,
        # The store is the cache: Prefect's own would answer for artifacts that are gone.
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=len(RETRY_DELAYS),
        retry_delay_seconds=list(RETRY_DELAYS),
        retry_condition_fn=is_transient,
    )


TASKS: Mapping[str, Task[..., Any]] = {
    stage.name: _task(run_step, stage.name, stage.about, "{name}") for stage in STAGES.values()
}
"""The task of each stage."""

PARTS: Mapping[str, Task[..., Any]] = {
    stage.name: _task(run_part, f"{stage.name}, part", stage.about, "{name}, part {number}")
    for stage in STAGES.values()
    if isinstance(stage, Partitioned)
}
"""The task that builds a part, of each stage that is built in parts."""


def _show_tables(name: str, artifact: Artifact) -> None:
    rows: list[dict[str, Any]] = [{"table": table, "rows": int(n)} for table, n in artifact.manifest.rows.items()]
    create_table_artifact(
        rows or [{"file": file.path, "bytes": file.size} for file in artifact.manifest.files],
        key=artifact_key(name, "tables"),
        description=f"{artifact.stage}/{artifact.fingerprint}, built in {artifact.manifest.seconds:.1f} s",
    )
