"""The service from nothing: started, scheduled, rerun from the UI, queued, killed everywhere, stopped, none left."""

import json
import shutil
import signal
import socket
import subprocess
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from flows.inline import InlineRunner
from flows.running import run_plan
from flows.service import Service
from pipeline_core.config import AnalysisConfig
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.store.journal import read_runs
from tests.command import LENS
from tests.long.service import KILLS, Running, differences, lens, until
from tests.shared import command_line
from tests.small import small_config

pytestmark = pytest.mark.long


def values(config: AnalysisConfig) -> dict[str, object]:
    return {"config": config.model_dump(mode="json", by_alias=True)}


@pytest.fixture
def other(pictures: Path) -> AnalysisConfig:
    """The analysis with one other setting, on which features, retrieval and report depend."""
    return small_config(pictures, "model.name=reference-contrastive", "compare_with=[]", "features.share=0.1")


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


def test_a_scheduled_run_starts_and_informs_and_a_rerun_tells_cached_from_built(
    running: Running, config: AnalysisConfig, other: AnalysisConfig, undisturbed: Path
) -> None:
    running.forget()
    run = running.start_by_schedule("analyze/nightly-contrastive", values(config))
    assert running.end_of(run, 600)["type"] == "COMPLETED"
    assert running.run(run)["name"].startswith("reference-contrastive on folder pictures, ")
    assert set(running.tasks(run).values()) == {"Completed"}
    shown = running.artifacts(run)
    assert {"steps", "results", "whole-report", "report-summary", "dataset-tables"} <= shown.keys()
    assert "| raw |" in shown["results"]
    assert {step["outcome"] for step in json.loads(shown["steps"])} == {"built"}
    assert differences(running.store, undisturbed) == []

    again = running.start("analyze/interactive", values(other))
    assert running.end_of(again, 300)["type"] == "COMPLETED"
    built = {"features", "retrieval", "report"}
    cached = {"dataset", "activations", "sae", "codes", "index"}
    states = {(name.partition("/")[0], state) for name, state in running.tasks(again).items()}
    assert states == {(name, "Completed") for name in built} | {(name, "Cached") for name in cached}
    steps = json.loads(running.artifacts(again)["steps"])
    outcomes = {(row["step"].partition("/")[0], row["outcome"]) for row in steps}
    assert outcomes == {(name, "built") for name in built} | {(name, "cached") for name in cached}


def test_runs_of_a_deployment_and_of_the_pool_queue(running: Running, config: AnalysisConfig) -> None:
    asked = [running.start("analyze/interactive", values(config)) for _ in range(2)]
    asked.append(running.start("maintain/hourly", {}))
    assert [running.end_of(run, 600)["type"] for run in asked] == ["COMPLETED"] * 3
    spans = sorted((run["start_time"], run["end_time"]) for run in map(running.run, asked))
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_a_mistake_is_one_line_once_and_every_event_tells_its_run(running: Running, tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("file_name,text\nnone.png,a picture that is not there\n")
    run = running.start("analyze/interactive", values(small_config(tmp_path, "compare_with=[]")))
    state = running.end_of(run, 300)
    assert state["type"] == "FAILED"
    assert "none.png" in state["message"]
    # The server is told lines of a run in batches, the last of them after its state.
    (line,) = until(lambda: [message for message in running.logged(run) if "none.png" in message], 30)
    assert "\n" not in line
    lines = running.service.log_of("worker").read_text().splitlines()
    events = [json.loads(line) for line in lines if run in line]
    (mistake,) = (event for event in events if "none.png" in event["message"])
    assert (mistake["step"], mistake["stage"]) == ("dataset", "dataset")
    assert mistake.keys() >= {"run", "fingerprint", "task_run_name"}
    assert not [line for line in lines if not line.startswith("{") or "NotReady" in line or "nanobind" in line]


def test_two_analyses_at_once_through_the_service_and_by_the_command(
    running: Running, config: AnalysisConfig, other: AnalysisConfig, undisturbed: Path, tmp_path: Path
) -> None:
    running.forget()
    (tmp_path / "other.json").write_text(other.model_dump_json(by_alias=True))
    run = running.start("analyze/interactive", values(config))
    until(lambda: running.run(run)["state"]["type"] == "RUNNING", 120)
    assert "Report: " in lens("run", "--config", str(tmp_path / "other.json"), "--store", str(running.store))
    assert running.end_of(run, 600)["type"] == "COMPLETED"
    one, two = read_runs(running.store)[-2:]
    assert one.ended and two.started < one.ended

    alone = Path(shutil.copytree(undisturbed, tmp_path / "alone"))
    run_plan("analyze", plan_analysis(other), alone, InlineRunner())
    assert [differences(running.store, store) for store in (undisturbed, alone)] == [[], []]


@pytest.mark.parametrize("victims", KILLS, ids="-".join)
def test_what_is_killed_ends_within_two_minutes_and_a_retry_gives_the_same_tables(
    running: Running, victims: tuple[str, ...], config: AnalysisConfig, undisturbed: Path
) -> None:
    told = running.killed_and_retried(config, victims)
    if "flow" in victims:
        assert told.startswith("Crashed")
    assert differences(running.store, undisturbed) == []


def test_a_run_killed_before_it_began_is_crashed_too_and_holds_no_place(
    running: Running, config: AnalysisConfig
) -> None:
    assert running.killed_and_retried(config, ("flow", "worker"), begun=False).startswith("Crashed")


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


@pytest.mark.parametrize(
    ("number", "reached"),
    [
        (signal.SIGINT, "-m prefect server"),
        (signal.SIGTERM, "-m prefect --no-prompt deploy"),
        (signal.SIGINT, "-m prefect worker"),
    ],
)
def test_stopped_while_it_starts_it_leaves_no_process(tmp_path: Path, number: signal.Signals, reached: str) -> None:
    store, family = tmp_path / "store", list[psutil.Process]()
    command = [*LENS, "up", "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:

        def begun() -> bool:
            family[:] = psutil.Process(process.pid).children(recursive=True)
            return any(reached in command_line(child) for child in family)

        until(begun, 200)
        process.send_signal(number)
        assert process.communicate(timeout=60) == ("", "lens: stopped; what was started is ended\n")
        assert process.returncode == 128 + number
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family)
    assert Service(store).read() is None
