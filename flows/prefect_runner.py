"""The runner in Prefect: a task a step, at most so many at a time as the placement has workers."""

import logging
from pathlib import Path
from typing import Any

from prefect import get_run_logger
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.environment import default_store
from flows.run_page import publish_page
from flows.running import FlowName, plan_flow, run_plan
from pipeline_core.config import RunConfig
from pipeline_core.errors import LensError
from pipeline_core.planner.execution import Outcome
from pipeline_core.planner.plan import Plan
from pipeline_core.store.artifacts import Store
from pipeline_core.store.journal import LiveRun
from tasks.events import write_as_asked
from tasks.step import TASKS


class WithoutTrace(logging.Filter):
    """Takes the trace out of the log of a user's mistake: its one line says what to do."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record; drop the trace of a LensError."""
        if record.exc_info and isinstance(record.exc_info[1], LensError):
            record.exc_info = None
        return True


logging.getLogger("prefect.flow_runs").addFilter(WithoutTrace())
write_as_asked()


planned: dict[FlowName, Plan] = {}
"""What was planned of each flow by who calls it in this process: models are asked for their facts once a plan."""


def task_runner() -> TaskRunner[Any]:
    """Return the runner of a flow's tasks: threads; how many work at once is the placement's matter."""
    return ThreadPoolTaskRunner()


def run_flow(flow: FlowName, config: RunConfig, store: str | None) -> str:
    """Run every step that the store lacks, and publish the warehouse; to be called inside a flow.

    Returns:
        The run's id.

    Raises:
        LensError: a user's mistake, as the step that met it raised it.
    """
    root = Store(Path(store) if store else default_store()).root
    plan = plan_of(flow, config)
    record = run_plan(flow, plan, root, submit_steps)
    publish_page(plan, record, root)
    built, cached = (sum(a.cached is found for a in record.artifacts) for found in (False, True))
    get_run_logger().info("run %s: %d steps built, %d cached", record.run_id, built, cached)
    return record.run_id


def plan_of(flow: FlowName, config: RunConfig) -> Plan:
    """Return the plan that was made of a config before the flow was called, else plan it."""
    known = planned.pop(flow, None)
    return known if known is not None and known.config == config else plan_flow(flow, config)


def submit_steps(plan: Plan, root: Path, run: LiveRun) -> BaseException | None:
    """Submit each step when its inputs are there and a worker is free; return the first failure.

    A step that fails takes those along that need it; the others still run.
    """
    failure: BaseException | None = None
    waiting, running = dict(plan.steps), dict[str, PrefectFuture[Any]]()
    done: dict[str, PrefectFuture[Any]] = {}
    while waiting or running:
        free = plan.config.placement.workers - len(running)
        ready = [name for name, step in waiting.items() if set(step.inputs.values()) <= done.keys()]
        for name in ready[:free]:
            step = waiting.pop(name)
            needed = [done[source] for source in step.inputs.values()]
            running[name] = TASKS[step.stage].submit(plan, name, root, run.record.run_id, wait_for=needed)
        if not running:  # what is left needs a step that failed
            return failure
        finished = next(iter(as_completed(list(running.values()))))
        name = next(name for name, future in running.items() if future is finished)
        del running[name]
        result = finished.result(raise_on_failure=False)
        if isinstance(result, Outcome):
            done[name] = finished
            run.reach(name, result.cached, result.seconds)
        elif failure is None:
            failure = result if isinstance(result, BaseException) else RuntimeError(f"step {name} ended as {result}")
    return failure
