"""The runners in Prefect: a task a step or a part of one, on threads of this process or on a Ray cluster."""

import logging
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from prefect import get_run_logger
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.environment import default_store
from flows.ray_cluster import asking, ray_cluster
from flows.run_page import publish_page
from flows.running import FlowName, plan_flow, run_plan
from flows.submission import Submission
from pipeline_core.config import RunConfig
from pipeline_core.planner.plan import Plan
from pipeline_core.store.artifacts import Store
from pipeline_core.store.journal import LiveRun
from tasks.events import MistakesOnce, not_a_mistake, write_as_asked

_once = MistakesOnce()
for _name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_name).addFilter(_once)
write_as_asked()


planned: dict[FlowName, Plan] = {}
"""What was planned of each flow by who calls it in this process: models are asked for their facts once a plan."""


def leave_mistakes_to_caller() -> None:
    """Keep users' mistakes from this process's terminal, for a command that tells them itself; a server has them."""
    for handler in logging.root.handlers:
        handler.addFilter(not_a_mistake)


def task_runner() -> TaskRunner[Any]:
    """Return the runner of a flow's own tasks; those of steps go to the one that the config's placement names."""
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
    placement = plan.config.placement
    if placement.runner == "ray":
        with ray_cluster(placement) as cluster:
            return Submission(plan, root, run, cluster, asking).carry_out()
    threads: TaskRunner[Any] = ThreadPoolTaskRunner(placement.workers)
    with threads:
        return Submission(plan, root, run, threads, lambda step: nullcontext()).carry_out()
