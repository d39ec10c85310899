"""The service from nothing: started, scheduled, rerun from the UI, killed everywhere, stopped with nothing left."""

import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flows.inline import InlineRunner
from flows.running import run_plan
from pipeline_core.config import AnalysisConfig
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.store.diff import diff_runs
from pipeline_core.store.journal import read_runs
from tests.long.service import Running, lens, until
from tests.small import picture_folder, small_config

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    store = tmp_path_factory.mktemp("service") / "store"
    told = lens("up", "--store", str(store))
    assert "http://127.0.0.1:" in told
    yield Running(store)
    lens("down", "--store", str(store))


def small(pictures: Path, *settings: str) -> AnalysisConfig:
    return small_config(pictures, "compare_with=[]", *settings)


def test_started_twice_it_says_so_and_status_names_every_deployment(running: Running) -> None:
    before = running.service.read()
    assert "runs already" in lens("up", "--store", str(running.store))
    assert running.service.read() == before
    told = lens("status", "--store", str(running.store))
    for name in ("analyze/interactive", "analyze/nightly-generative", "compare/after-nightly", "sweep/weekly"):
        assert name in told
    assert "maintain/hourly" in told


def test_another_port_is_refused_by_name(running: Running) -> None:
    state = running.service.read()
    assert state
    told = lens("up", "--port", str(state.port + 1), "--store", str(running.store), status=2)
    assert f"runs on port {state.port}" in told
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        told = lens("up", "--port", str(port), "--store", str(running.store.parent / "other"), status=2)
    assert f"port {port} is held by python" in told
    assert not (running.store.parent / "other" / ".service" / "service.json").exists()


@pytest.mark.parametrize("name", ["analyze/nightly-generative", "maintain/hourly", "sweep/weekly"])
def test_schedules_make_runs(running: Running, name: str) -> None:
    body = {"deployments": {"id": {"any_": [running.deployment(name)["id"]]}}}
    with running.api() as api:
        runs = until(lambda: api.post("/flow_runs/filter", json=body).json(), 120)
    assert {(run["state"]["type"], run["auto_scheduled"]) for run in runs} == {("SCHEDULED", True)}


def test_a_bad_parameter_is_refused_with_its_name(running: Running) -> None:
    body = {"parameters": {"config": {"features": {"kk": 3}}}}
    with running.api() as api:
        path = f"/deployments/{running.deployment('analyze/interactive')['id']}/create_flow_run"
        answer = api.post(path, json=body)
    assert answer.status_code == 409
    assert "kk" in answer.text


def test_a_run_has_a_telling_name_and_page_and_a_rerun_builds_only_what_changed(
    running: Running, tmp_path: Path
) -> None:
    pictures = picture_folder(tmp_path / "pictures")
    run = running.start("analyze/interactive", {"config": small(pictures).model_dump(mode="json")})
    assert running.end_of(run, 600)["type"] == "COMPLETED"
    assert running.run(run)["name"].startswith("reference-mllm on folder pictures, ")
    assert set(running.tasks(run).values()) == {"Completed"}
    with running.api() as api:
        found = api.post("/artifacts/filter", json={"flow_runs": {"id": {"any_": [run]}}}).json()
    artifacts = {artifact["key"]: artifact for artifact in found}
    assert {"steps", "results", "whole-report", "report-summary", "dataset-tables"} <= artifacts.keys()
    assert "| raw |" in artifacts["results"]["data"]
    assert '"outcome": "built"' in artifacts["steps"]["data"]

    other = small(pictures, "features.share=0.1").model_dump(mode="json")
    again = running.start("analyze/interactive", {"config": other})
    assert running.end_of(again, 300)["type"] == "COMPLETED"
    states = running.tasks(again)
    built = {name.partition("/")[0] for name, state in states.items() if state == "Completed"}
    cached = {name.partition("/")[0] for name, state in states.items() if state == "Cached"}
    assert built == {"features", "retrieval", "report"}
    assert cached == {"dataset", "activations", "sae", "codes", "index"}


@pytest.mark.parametrize("victims", [("flow",), ("worker",), ("flow", "worker"), ("server",)])
def test_what_is_killed_is_crashed_within_two_minutes_and_a_retry_gives_the_same_tables(
    running: Running, victims: tuple[str, ...], tmp_path: Path
) -> None:
    pictures = picture_folder(tmp_path / "-".join(victims), n=48)
    config = small(pictures, "model.name=reference-contrastive" if victims == ("worker",) else "model.alias=studied")
    run = running.start("analyze/interactive", {"config": config.model_dump(mode="json")})
    folder = running.store / "activations"
    # In the middle of the extraction: some of its work is done, none of it is published.
    until(lambda: list(folder.glob(".partial-*/**/*.parquet")), 180)
    running.kill(*victims)
    if victims != ("flow",):
        lens("up", "--store", str(running.store))
    state = running.end_of(run, 120 if victims != ("server",) else 300)
    if state["type"] != "COMPLETED":
        assert state["type"] == "CRASHED", state
        # Prefect reports a crash twice, some seconds apart: the second would undo a retry between them.
        until(lambda: running.seconds_since_last_state(run) > 10, 60)
        running.retry(run)
        until(lambda: running.run(run)["state"]["type"] != "CRASHED", 30)
        state = running.end_of(run, 600)
    assert state["type"] == "COMPLETED", state

    alone = tmp_path / "alone"
    run_plan("analyze", plan_analysis(config), alone, InlineRunner())
    records = [str(store / "runs" / f"{read_runs(store)[-1].run_id}.json") for store in (alone, running.store)]
    assert diff_runs(alone, *records) == []


def test_stopped_it_leaves_no_process_and_starts_again_with_its_history(tmp_path: Path) -> None:
    store = tmp_path / "store"
    lens("up", "--store", str(store))
    running = Running(store)
    state = running.service.read()
    assert state and state.server and state.worker
    family = [process for one in (state.server, state.worker) if (process := one.process)]
    family += [child for process in family for child in process.children(recursive=True)]
    assert "no process" in lens("down", "--store", str(store))
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)
    assert "No service" in lens("down", "--store", str(store))
    lens("status", "--store", str(store), status=1)
