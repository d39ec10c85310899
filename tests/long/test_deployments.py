"""prefect.yaml against a real server and worker: schedules make runs, and a deployment's run leaves its artifacts."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from tests.small import picture_folder, small_config

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
PREFECT = str(Path(sys.executable).with_name("prefect"))


def until(found: Callable[[], Any], seconds: float) -> Any:
    """Ask again and again until there is an answer; fail after so many seconds."""
    tick = Event()
    for _ in range(int(seconds / 0.5)):
        if answer := found():
            return answer
        tick.wait(0.5)
    raise AssertionError(f"nothing after {seconds} s")


@contextmanager
def running(arguments: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("w") as out:
        process = subprocess.Popen(arguments, env=environment, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT)
        try:
            yield
        finally:
            process.terminate()
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("prefect")
    return os.environ | {
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_HOME": str(home),
        "LENS_HOME": str(ROOT),
        "LENS_STORE": str(home / "store"),
    }


@pytest.fixture(scope="module")
def api(environment: dict[str, str]) -> Iterator[httpx.Client]:
    """A server with the project's deployments, and a worker."""
    home = Path(environment["PREFECT_HOME"])
    url = environment["PREFECT_API_URL"]
    port = url.rpartition(":")[2].partition("/")[0]
    with ExitStack() as stack:
        stack.enter_context(running([PREFECT, "server", "start", "--port", port], environment, home / "server.log"))
        client = stack.enter_context(httpx.Client(base_url=url, timeout=30))

        def healthy() -> bool:
            try:
                return client.get("/health").is_success
            except httpx.TransportError:
                return False

        until(healthy, 120)
        for command in (["work-pool", "create", "lens", "--type", "process"], ["--no-prompt", "deploy", "--all"]):
            subprocess.run([PREFECT, *command], env=environment, cwd=ROOT, check=True, capture_output=True, timeout=180)
        worker = [PREFECT, "worker", "start", "--pool", "lens"]
        stack.enter_context(running(worker, environment, home / "worker.log"))
        yield client


def deployment(api: httpx.Client, name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/deployments/name/{name}").raise_for_status().json()
    return found


@pytest.mark.parametrize("name", ["compare/nightly", "maintain/weekly"])
def test_schedules_make_runs(api: httpx.Client, name: str) -> None:
    body = {"deployments": {"id": {"any_": [deployment(api, name)["id"]]}}}
    runs = until(lambda: api.post("/flow_runs/filter", json=body).json(), 120)
    assert {(run["state"]["type"], run["auto_scheduled"]) for run in runs} == {("SCHEDULED", True)}


def test_a_bad_parameter_is_refused_with_its_name(api: httpx.Client) -> None:
    body = {"parameters": {"config": {"features": {"kk": 3}}}}
    answer = api.post(f"/deployments/{deployment(api, 'analyze/model')['id']}/create_flow_run", json=body)
    assert answer.status_code == 409
    assert "kk" in answer.text


def run_to_the_end(api: httpx.Client, config: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Run analyze/model; return the run's id and its task states."""
    body = {"parameters": {"config": config}, "state": {"type": "SCHEDULED"}}
    identity = deployment(api, "analyze/model")["id"]
    run = api.post(f"/deployments/{identity}/create_flow_run", json=body).raise_for_status().json()["id"]
    final = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

    def ended() -> dict[str, Any] | None:
        state = api.get(f"/flow_runs/{run}").json()["state"]
        return state if state["type"] in final else None

    state = until(ended, 600)
    assert state["type"] == "COMPLETED", state["message"]
    tasks = api.post("/task_runs/filter", json={"flow_runs": {"id": {"any_": [run]}}}).json()
    return run, {task["name"]: task["state"]["name"] for task in tasks}


def test_a_run_completes_with_artifacts_and_a_rerun_builds_only_what_changed(api: httpx.Client, tmp_path: Path) -> None:
    pictures = picture_folder(tmp_path / "pictures")
    run, states = run_to_the_end(api, small_config(pictures).model_dump(mode="json"))
    assert set(states.values()) == {"Completed"}
    artifacts = api.post("/artifacts/filter", json={"flow_runs": {"id": {"any_": [run]}}}).json()
    assert {"table", "markdown", "progress"} <= {artifact["type"] for artifact in artifacts}
    assert "report" in {artifact["key"] for artifact in artifacts}

    other = small_config(pictures, "features.share=0.1").model_dump(mode="json")
    _, states = run_to_the_end(api, other)
    built = {name.partition("/")[0] for name, state in states.items() if state == "Completed"}
    cached = {name.partition("/")[0] for name, state in states.items() if state == "Cached"}
    assert built == {"features", "retrieval", "report"}
    assert cached == {"dataset", "activations", "sae", "codes", "index"}
