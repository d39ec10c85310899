"""How a plan becomes a run, whoever carries it out: journal, steps, the warehouse published at the end."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pipeline_core.config import RunConfig
from pipeline_core.planner.plan import Plan
from pipeline_core.planner.planning import plan_analysis, plan_sweep
from pipeline_core.store.journal import LiveRun, RunRecord, journalled_run
from tasks.events import events_of

FlowName = Literal["analyze", "compare", "sweep"]

Runner = Callable[[Plan, Path, LiveRun], BaseException | None]
"""Carries out every step that the store lacks, notes each that is reached, and returns the first failure."""


def plan_flow(flow: FlowName, config: RunConfig) -> Plan:
    """Plan a flow.

    Raises:
        LensError: the data set or a model cannot be found.
    """
    return plan_sweep(config) if flow == "sweep" else plan_analysis(config)


def run_plan(flow: FlowName, plan: Plan, root: Path, runner: Runner) -> RunRecord:
    """Run every step that the store lacks, and publish the warehouse.

    When a step fails, those that do not need it still run.

    Raises:
        LensError: a user's mistake, as the step that met it raised it, or the device that models are to run on.
    """
    from pipeline_core.planner.execution import check_machine, mend_inputs
    from pipeline_core.store.artifacts import Store
    from pipeline_core.store.space import room_told
    from pipeline_core.warehouse.build import publish_runs

    mend_inputs(plan, Store(root))
    check_machine(plan, Store(root))
    values = plan.config.model_dump(mode="json", by_alias=True)
    with journalled_run(root, flow, values, plan.run_artifacts()) as run, events_of(run.record.run_id):
        failure = runner(plan, root, run)
        if failure is not None:
            raise failure
    with room_told(root, "the warehouse"):
        publish_runs(root)
    return run.record


def record_cached_run(flow: FlowName, plan: Plan, root: Path) -> RunRecord:
    """Journal a run whose every artifact is in the store, and add it to the warehouse."""
    from pipeline_core.store.space import room_told
    from pipeline_core.warehouse.build import publish_runs

    with room_told(root, "the record of a run in journal and warehouse"):
        values = plan.config.model_dump(mode="json", by_alias=True)
        with journalled_run(root, flow, values, plan.run_artifacts()) as run:
            for name in plan.steps:
                run.reach(name, cached=True, seconds=0.0)
        publish_runs(root)
    return run.record
