"""Parts of a step as tasks of Prefect: each seen in its UI, and the same files as one process makes."""

import io
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.context import get_run_context

from flows.prefect_runner import submit_steps
from pipeline_core.codes import encode
from pipeline_core.config import AnalysisConfig
from pipeline_core.errors import LensError
from pipeline_core.planner.plan import Plan
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.store.artifacts import Store
from pipeline_core.store.journal import LiveRun, read_runs
from tasks.events import JsonLines


@pytest.fixture
def plan(inline_store: Path) -> Plan:
    """The plan of a store that is filled, by two workers."""
    values = read_runs(inline_store)[0].config
    return plan_analysis(AnalysisConfig.model_validate(values | {"placement": {"workers": 2, "threads": 1}}))


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, str]]]:
    """Returns what tasks have logged."""
    stream, logger = io.StringIO(), logging.getLogger("prefect.task_runs")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    monkeypatch.setattr(logger, "handlers", [*logger.handlers, handler])
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def submit(plan: Plan, root: Path) -> tuple[BaseException | None, LiveRun, dict[str, str]]:
    """Carry a plan out; return the failure, what was reached, and the states of tasks by name."""
    run, seen = LiveRun(read_runs(root)[0]), {}

    @flow(name="submitted")
    def submitted() -> BaseException | None:
        seen["id"] = get_run_context().flow_run.id
        failure = submit_steps(plan, root, run)
        return failure and Failure(failure)

    failure = submitted()
    with get_client(sync_client=True) as client:
        tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[seen["id"]])))
    return failure and failure.error, run, {task.name: task.state.name for task in tasks}


class Failure:
    """Carries an error out of a flow that is not to fail by it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def test_workers_share_the_parts_of_a_step(
    server: None, plan: Plan, inline_store: Path, tmp_path: Path, events: Callable[[], list[dict[str, str]]]
) -> None:
    store = Store(shutil.copytree(inline_store, tmp_path / "store"))
    (codes,), (retrieval,) = plan.of_stage("codes"), plan.of_stage("retrieval")
    alone = {step.name: store.get(step.key).manifest for step in (codes, retrieval)}
    for step in (codes, retrieval):
        shutil.rmtree(store.folder(step.key))
    failure, run, states = submit(plan, store.root)
    assert failure is None
    assert {name for name, state in states.items() if state == "Cached"} == plan.steps.keys() - alone.keys()
    built = {name for name, state in states.items() if state == "Completed"}
    assert built > {codes.name, retrieval.name, f"{codes.name}, part 0", f"{retrieval.name}, part 0"}
    for name, before in alone.items():
        after = store.get(plan.steps[name].key).manifest
        assert [file.path for file in after.files] == [file.path for file in before.files]
        same = {file.path for file in after.files} - {file.path for file in set(after.files) - set(before.files)}
        assert all(file.path in same for file in after.files if file.path.endswith(".parquet"))
    assert {a.name for a in run.record.artifacts if a.cached is False} == alone.keys()
    told = events()
    assert {event["run"] for event in told} == {run.record.run_id}
    assert {(e["step"], e["stage"], e["fingerprint"]) for e in told} == {
        (step.name, step.stage, step.key.short) for step in plan.steps.values()
    }
    first = next(event for event in told if event["message"].startswith(f"{codes.name}, part 0: built in "))
    assert (first["step"], first["task_run_name"]) == (codes.name, f"{codes.name}, part 0")


def test_a_part_that_fails_fails_its_step_and_leaves_it_to_others(
    server: None,
    plan: Plan,
    inline_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    events: Callable[[], list[dict[str, str]]],
) -> None:
    store = Store(shutil.copytree(inline_store, tmp_path / "store"))
    (codes,) = plan.of_stage("codes")
    shutil.rmtree(store.folder(codes.key))

    def refuse(*_: object) -> None:
        raise LensError("no shard can be read", "")

    monkeypatch.setattr(encode, "load_shard", refuse)
    failure, _, states = submit(plan, store.root)
    assert isinstance(failure, LensError)
    assert codes.name not in states
    assert "Completed" not in {state for name, state in states.items() if name.startswith(codes.name)}
    with store.claimed(codes.key) as claimed:
        assert claimed
    (mistake,) = (event for event in events() if "no shard can be read" in event["message"])
    assert mistake.items() > {"level": "ERROR", "message": "no shard can be read", "step": codes.name}.items()
    assert "trace" not in mistake
