"""The service of a store, started and asked as a user does it: by the command, and by the API that the UI uses."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import psutil

from flows.service import Service

ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def until(found: Callable[[], Any], seconds: float) -> Any:
    """Ask again and again until there is an answer; fail after so many seconds."""
    tick = Event()
    for _ in range(int(seconds / 0.25)):
        if answer := found():
            return answer
        tick.wait(0.25)
    raise AssertionError(f"nothing after {seconds} s")


def lens(*words: str, status: int = 0) -> str:
    """Run the command in a process of its own; return what it printed."""
    command = [sys.executable, "-c", "from flows.cli import main; main()", *words]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=300, env=os.environ | {"COLUMNS": "200"}
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


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
        return httpx.Client(base_url=f"{state.url}/api", timeout=30)

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

    def end_of(self, run: str, seconds: float) -> dict[str, Any]:
        """Wait until a run is over; return its state."""

        def over() -> dict[str, Any] | None:
            state: dict[str, Any] = self.run(run)["state"]
            return state if state["type"] in ENDED else None

        found: dict[str, Any] = until(over, seconds)
        return found

    def tasks(self, run: str) -> dict[str, str]:
        """Return the state of each task run by its name."""
        with self.api() as api:
            found = api.post("/task_runs/filter", json={"flow_runs": {"id": {"any_": [run]}}}).json()
        return {task["name"]: task["state"]["name"] for task in found}

    def flow_process(self) -> psutil.Process:
        """Return the process of the flow that the worker runs."""
        state = self.service.read()
        assert state and state.worker
        worker = state.worker.process
        assert worker

        def found() -> psutil.Process | None:
            for child in worker.children(recursive=True):
                if any("flow_engine" in word or "prefect.engine" in word for word in child.cmdline()):
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
