"""The service of a store, started and asked as a user does it: by the command, and by the API that the UI uses."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import psutil

from flows.service import Runner, Service
from pipeline_core.config import AnalysisConfig
from pipeline_core.store.artifacts import Store
from pipeline_core.store.diff import diff_runs
from pipeline_core.store.journal import read_runs
from tests.command import LENS
from tests.shared import command_line

KILLS = (("flow",), ("worker",), ("flow", "worker"), ("server",), ("flow", "worker", "server"))
"""What is killed together."""

ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def until(found: Callable[[], Any], seconds: float) -> Any:
    """Ask again and again until there is an answer; fail after so many seconds."""
    tick = Event()
    for _ in range(int(seconds / 0.25)):
        if answer := found():
            return answer
        tick.wait(0.25)
    raise AssertionError(f"nothing after {seconds} s")


def lens(*words: str, status: int = 0, **variables: str) -> str:
    """Run the command in a process of its own, with further variables of the environment; return what it printed."""
    command = [*LENS, *words]
    variables = os.environ | {"COLUMNS": "200"} | variables
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=variables)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


class _Patient(httpx.HTTPTransport):
    """Asks again where the server says that its database is busy, as Prefect's own client does."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        for seconds in (1, 2, 4, 8):
            answer = super().handle_request(request)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return answer
            Event().wait(seconds)
        return super().handle_request(request)


@dataclass
class Running:
    """A service that was started with ``lens up``."""

    store: Path

    @property
    def service(self) -> Service:
        return Service(self.store)

    def api(self) -> httpx.Client:
        state = self.service.read()
        assert state
        return httpx.Client(base_url=f"{state.url}/api", timeout=30, transport=_Patient())

    def deployment(self, name: str) -> dict[str, Any]:
        with self.api() as api:
            found: dict[str, Any] = api.get(f"/deployments/name/{name}").raise_for_status().json()
            return found

    def start(self, deployment: str, parameters: dict[str, Any]) -> str:
        """Make a run of a deployment as the UI's Run does; return its id."""
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        with self.api() as api:
            path = f"/deployments/{self.deployment(deployment)['id']}/create_flow_run"
            return str(api.post(path, json=body).raise_for_status().json()["id"])

    def start_by_schedule(self, deployment: str, parameters: dict[str, Any]) -> str:
        """Give a deployment a schedule, the next minute once, and return the id of the run that it began."""
        its, schedule = self.deployment(deployment)["id"], {"cron": "* * * * *", "timezone": "UTC"}
        body = [{"schedule": schedule, "max_scheduled_runs": 1, "parameters": parameters}]
        of_schedules = {"deployments": {"id": {"any_": [its]}}, "flow_runs": {"start_time": {"is_null_": False}}}
        with self.api() as api:
            (made,) = api.post(f"/deployments/{its}/schedules", json=body).raise_for_status().json()

            def begun() -> str | None:
                runs = api.post("/flow_runs/filter", json=of_schedules | {"sort": "START_TIME_DESC"}).json()
                own = (run for run in runs if run["auto_scheduled"] and run["parameters"].items() >= parameters.items())
                return next((run["id"] for run in own), None)

            run: str = until(begun, 240)
            api.delete(f"/deployments/{its}/schedules/{made['id']}").raise_for_status()
        return run

    def retry(self, run: str) -> None:
        """Try a run again as the UI's Retry does."""
        state = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "Retry from the UI"}
        with self.api() as api:
            api.post(f"/flow_runs/{run}/set_state", json={"state": state, "force": True}).raise_for_status()

    def run(self, run: str) -> dict[str, Any]:
        with self.api() as api:
            found: dict[str, Any] = api.get(f"/flow_runs/{run}").raise_for_status().json()
            return found

    def seconds_since_last_state(self, run: str) -> float:
        since = datetime.fromisoformat(self.run(run)["state"]["timestamp"])
        return (datetime.now(UTC) - since).total_seconds()

    def forget(self) -> None:
        """Remove every artifact: what is run next is built from nothing."""
        for artifact in Store(self.store).artifacts():
            shutil.rmtree(artifact.folder)

    def end_of(self, run: str, seconds: float) -> dict[str, Any]:
        """Wait until a run is over; return its state."""

        def over() -> dict[str, Any] | None:
            state: dict[str, Any] = self.run(run)["state"]
            return state if state["type"] in ENDED else None

        found: dict[str, Any] = until(over, seconds)
        return found

    def artifacts(self, run: str) -> dict[str, Any]:
        """Return what a run left on its page, by key."""
        with self.api() as api:
            found = api.post("/artifacts/filter", json={"flow_runs": {"id": {"any_": [run]}}}).json()
        return {artifact["key"]: artifact["data"] for artifact in found}

    def logged(self, run: str) -> list[str]:
        """Return the messages of a run and its tasks."""
        with self.api() as api:
            found = api.post("/logs/filter", json={"logs": {"flow_run_id": {"any_": [run]}}}).raise_for_status().json()
        return [line["message"] for line in found]

    def tasks(self, run: str) -> dict[str, str]:
        """Return the state of each step of a run that is over; the server has them by events, which may come later."""
        steps = {step["step"] for step in json.loads(self.artifacts(run)["steps"])}

        def ended() -> dict[str, str] | None:
            with self.api() as api:
                found = api.post("/task_runs/filter", json={"flow_runs": {"id": {"any_": [run]}}}).json()
            states = {task["name"]: task["state"]["name"] for task in found if task["state"]["type"] in ENDED}
            return states if steps <= states.keys() else None

        states: dict[str, str] = until(ended, 60)
        return states

    def flow_process(self) -> psutil.Process:
        """Return the process of the flow that the worker runs."""
        state = self.service.read()
        assert state and state.worker
        worker = state.worker.process
        assert worker

        def found() -> psutil.Process | None:
            for child in worker.children(recursive=True):
                if "flows.engine" in command_line(child):
                    return child
            return None

        process: psutil.Process = until(found, 60)
        return process

    def kill(self, *what: str) -> None:
        """Kill -9: the flow, the worker, the server."""
        state = self.service.read()
        assert state and state.worker and state.server
        victims = {
            "flow": self.flow_process,
            "worker": lambda: state.worker.process,
            "server": lambda: state.server.process,
        }
        for process in [victims[name]() for name in what]:
            assert process
            os.kill(process.pid, signal.SIGKILL)

    def killed_and_retried(self, config: AnalysisConfig, victims: Sequence[str], begun: bool = True) -> str:
        """Run an analysis from nothing, kill in the middle of its extraction, and see it through to its end.

        Without ``begun`` it is killed while its process is being started.

        What was killed is started again by ``lens up``. A run that does not complete by itself is tried again.

        Returns:
            What became of the run, and how soon.

        Raises:
            AssertionError: two minutes after its process is gone it is not over, or the retry does not complete.
        """
        self.forget()
        run = self.start("analyze/interactive", {"config": config.model_dump(mode="json", by_alias=True)})
        if begun:  # some of the extraction's work is done, none of it is published
            until(lambda: list(self.store.glob("activations/.partial-*/**/*.parquet")), 240)
        else:
            until(lambda: self.run(run)["state"]["type"] == "PENDING", 60)
        flow, killed = Runner.of(self.flow_process().pid), time.monotonic()
        self.kill(*victims)
        if victims != ("flow",):
            lens("up", "--store", str(self.store))
        until(lambda: not flow.process or self.run(run)["state"]["type"] in ENDED, 600)
        state = self.end_of(run, 120)
        told = f"{state['name']} {time.monotonic() - killed:.0f} s after the kill"
        if state["type"] != "COMPLETED":
            assert state["type"] == "CRASHED", state
            # Prefect reports a crash twice, some seconds apart: the second would undo a retry between them.
            until(lambda: self.seconds_since_last_state(run) > 10, 60)
            self.retry(run)
            until(lambda: self.run(run)["state"]["type"] != "CRASHED", 30)
            state = self.end_of(run, 600)
            assert state["type"] == "COMPLETED", state
            told += ", completed by a retry"
        return told


def differences(store: Path, other: Path) -> list[str]:
    """Return in which tables the latest run of ``other`` and the latest with the same config of ``store`` differ."""
    whole = read_runs(other)[-1]
    own = [run for run in read_runs(store) if run.config == whole.config]
    found = diff_runs(store, own[-1].run_id, str(other / "runs" / f"{whole.run_id}.json"))
    return [f"{difference.name}: {difference.what}" for difference in found]
