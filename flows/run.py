"""How a plan becomes a run: journal, one mapped task a step, the warehouse published at the end."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prefect import Task, get_run_logger
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.environment import default_store
from pipeline_core.config import AnalysisConfig
from pipeline_core.errors import LensError
from pipeline_core.plan import Plan
from pipeline_core.planner import plan_analysis
from pipeline_core.store.artifacts import Store
from pipeline_core.store.journal import LiveRun, journalled_run
from pipeline_core.warehouse.build import build_warehouse
from tasks.activations import extract_activations
from tasks.attention import measure
from tasks.codes import encode
from tasks.dataset import make_dataset
from tasks.efficiency import time_operations
from tasks.features import describe_features
from tasks.index import make_index
from tasks.removal import remove_features
from tasks.report import make_report
from tasks.retrieval import score
from tasks.sae import train
from tasks.step import Outcome
from tasks.sweep import sweep_systems


class WithoutTrace(logging.Filter):
    """Takes the trace out of the log of a user's mistake: its one line says what to do."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record; drop the trace of a LensError."""
        if record.exc_info and isinstance(record.exc_info[1], LensError):
            record.exc_info = None
        return True


logging.getLogger("prefect.flow_runs").addFilter(WithoutTrace())

TASKS: Mapping[str, Task[..., Any]] = {
    "dataset": make_dataset,
    "activations": extract_activations,
    "sae": train,
    "codes": encode,
    "features": describe_features,
    "retrieval": score,
    "sweep": sweep_systems,
    "removal": remove_features,
    "index": make_index,
    "attention": measure,
    "efficiency": time_operations,
    "report": make_report,
}


def task_runner() -> TaskRunner[Any]:
    """Return the runner of a flow's tasks: one step at a time, since a step uses every thread that it is given."""
    return ThreadPoolTaskRunner(max_workers=1)


def run_plan(
    flow: str, config: AnalysisConfig, store: str | None, planning: Callable[[AnalysisConfig], Plan] = plan_analysis
) -> str:
    """Run every step that the store lacks, and publish the warehouse; to be called inside a flow.

    A step starts when its inputs are there. When one fails, those that do not need it still run.

    Returns:
        The run's id.

    Raises:
        LensError: a user's mistake, as the step that met it raised it.
    """
    root = Store(Path(store) if store else default_store()).root
    plan = planning(config)
    with journalled_run(root, flow, config.model_dump(mode="json"), plan.run_artifacts()) as run:
        futures: dict[str, PrefectFuture[Any]] = {}
        for name, step in plan.steps.items():
            needed = [futures[source] for source in step.inputs.values()]
            futures[name] = TASKS[step.stage].submit(plan, name, root, wait_for=needed)
        failure = _collect(futures, run)
        if failure is not None:
            raise failure
    build_warehouse(root)
    get_run_logger().info(
        "run %s: %d steps built, %d cached",
        run.record.run_id,
        *(sum(a.cached is c for a in run.record.artifacts) for c in (False, True)),
    )
    return run.record.run_id


def _collect(futures: Mapping[str, PrefectFuture[Any]], run: LiveRun) -> BaseException | None:
    """Wait for every step, note in the journal which were reached, and return the first failure."""
    failure: BaseException | None = None
    for name, future in futures.items():
        future.wait()
        if future.state.is_pending():  # an input failed, so the step never started
            continue
        result = future.result(raise_on_failure=False)
        if isinstance(result, Outcome):
            run.reach(name, result.cached, result.seconds)
        elif failure is None:
            failure = result if isinstance(result, BaseException) else RuntimeError(f"step {name} ended as {result}")
    return failure
