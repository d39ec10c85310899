"""A Prefect server, a worker and every deployment of prefect.yaml, for one store, on loopback."""

import fcntl
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psutil

from flows import environment
from flows.open_files import SERVING, allow_files
from flows.service_api import (
    HEARTBEAT,
    LOST,
    POOL,
    PREFECT_YAML,
    ROOT,
    Tell,
    are_ready,
    find_deployments,
    forget_others,
    own_pool,
    watch_heartbeats,
)
from pipeline_core.errors import ServiceError
from pipeline_core.store.durable import publish_text
from tasks.events import lines_asked

HOST = "127.0.0.1"
FOLDER = ".service"
"""Folder of the store that holds the server's database, the logs, and who runs."""

USUAL_PORT = 4200
_OTHERS = ("PREFECT_", "UVICORN_", "LENS_SERVER_OF")
"""What variables begin with that are another server's, a run's temporary one among them."""

PATIENCE = 180.0
"""Seconds that a server on a busy machine may take to start."""

_LOOK = 0.2
"""Seconds between looks at a server that starts, unless it ends."""

STOPPING = 15.0
"""Seconds that a process has to end by itself."""


@dataclass(frozen=True)
class Runner:
    """A process that was started: its number may have been given to another one since, its start tells."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "Runner":
        """Return what to recognise a process of this user by."""
        return cls(pid, psutil.Process(pid).create_time())

    @property
    def process(self) -> psutil.Process | None:
        """The process, while it runs."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if process.create_time() == self.started and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None


@dataclass(frozen=True)
class State:
    """What is remembered of a service: its port, its processes, and the digest of what was deployed."""

    port: int
    server: Runner | None = None
    worker: Runner | None = None
    deployed: str = ""

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"http://{HOST}:{self.port}"

    @property
    def runs(self) -> dict[str, bool]:
        """Whether the server and the worker run."""
        return {name: bool(one and one.process) for name, one in (("server", self.server), ("worker", self.worker))}


class Service:
    """The service of one store. Its history stays in the store when it is stopped."""

    def __init__(self, store: Path) -> None:
        """Take the store, which need not be there yet."""
        self.store = store.resolve()
        self.folder = self.store / FOLDER
        self._file = self.folder / "service.json"

    def read(self) -> State | None:
        """Return what is remembered; None where nothing was started, or it was stopped."""
        try:
            told = json.loads(self._file.read_text(encoding="utf-8"))
            runners = {name: Runner(**told[name]) if told[name] else None for name in ("server", "worker")}
            return State(**told | runners)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError):
            raise ServiceError(
                f"{self._file} cannot be read", "delete it, after ending what may run (pgrep -af prefect)"
            ) from None

    def log_of(self, name: str) -> Path:
        """Return the log of the server or the worker."""
        return self.folder / f"{name}.log"

    def up(self, port: int | None, tell: Tell) -> State:
        """Start what does not run yet, and deploy what has changed; interrupted, it ends what it has started.

        Args:
            port: where the server is to listen; None: where it did before, 4200, or any free port.
            tell: is told each thing that is done.

        Raises:
            ServiceError: the port or the pool is somebody else's, too few files may be open, or a process did not
                start; its last line says why.
        """
        allow_files(SERVING, "serving")
        with self._alone(), self._as_it_was():
            state = self._with_server(port, tell)
            with self._api(state) as api:
                known = own_pool(api, tell)
                state = self._deployed(state if known else replace(state, deployed=""), api, tell)
                if not state.runs["worker"]:
                    tell("starting the worker")
                    arguments = ["worker", "start", "--pool", POOL, "--name", f"{POOL} of {self.store.name}"]
                    worker = self._start("worker", arguments, state.port)
                    state = replace(state, worker=worker)
                    self._write(state)
                    self._wait("worker", worker, lambda: are_ready(api))
        return state

    def down(self, tell: Tell) -> bool:
        """Stop the worker with what it runs, then the server; return whether anything ran."""
        if not self.folder.is_dir():
            return False
        with self._alone():
            state = self.read()
            if state is None:
                return False
            ran = any(state.runs.values())
            for name, one in (("worker", state.worker), ("server", state.server)):
                if process := one and one.process:
                    tell(f"stopping the {name}")
                    _end(process)
            self._file.unlink()
        return ran

    def deployments(self, state: State) -> list[dict[str, Any]]:
        """Return name, schedule, next and last run of each deployment, as the server of a running service has them."""
        with self._api(state) as api:
            return find_deployments(api)

    @contextmanager
    def _api(self, state: State) -> Iterator[httpx.Client]:
        """Ask the server; it may still be starting, or be gone without having ended.

        Raises:
            ServiceError: it does not answer.
        """
        try:
            with httpx.Client(base_url=f"{state.url}/api", timeout=30) as api:
                yield api
        except httpx.TransportError as error:
            raise ServiceError(
                f"the server at {state.url} does not answer ({error})",
                f"ask again when it has started; {self.log_of('server')} has what it says",
            ) from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others of this store's `lens up` and `lens down` out."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _as_it_was(self) -> Iterator[None]:
        """Leave nothing behind of what is interrupted inside: all children of this process are of it."""
        before = self.read()
        try:
            yield
        except KeyboardInterrupt:
            for child in psutil.Process().children():
                _end(child)
            if before:
                self._write(before)
            else:
                self._file.unlink(missing_ok=True)
            raise

    def _write(self, state: State) -> None:
        publish_text(self._file, json.dumps(asdict(state), indent=1))

    def _with_server(self, port: int | None, tell: Tell) -> State:
        state = self.read()
        if state and state.runs["server"]:
            if port not in (None, state.port):
                raise ServiceError(
                    f"the service of {self.store} runs on port {state.port}, not {port}", "stop it first: lens down"
                )
            return state
        chosen = _free_port(port, state.port if state else None)
        tell(f"starting the server on {HOST}:{chosen}")
        arguments = ["server", "start", "--host", HOST, "--port", str(chosen), "--analytics-off"]
        server = self._start("server", arguments, chosen)
        # What was deployed is in the database. Deployed anew, triggers would forget the events that they wait after.
        started = replace(state, port=chosen, server=server) if state else State(chosen, server)
        self._write(started)
        health = f"{started.url}/api/health"
        try:
            self._wait("server", server, lambda: httpx.get(health, timeout=2).is_success)
        except ServiceError:
            if not server.process:
                self._file.unlink(missing_ok=True)
            raise
        return started

    def _start(self, name: str, arguments: list[str], port: int) -> Runner:
        with self.log_of(name).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - this Python, arguments of ours
                [sys.executable, "-m", "prefect", *arguments],
                env=self._environment(port),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                # What they print to be read, as a banner, is no event.
                stdout=subprocess.DEVNULL if lines_asked() else log,
                stderr=log,
                start_new_session=True,
            )
        return Runner.of(process.pid)

    def _environment(self, port: int) -> dict[str, str]:
        """Return what its processes see: nothing of another server's settings, wherever they come from."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
        return (
            kept
            | environment.settings()
            | {
                "PREFECT_HOME": str(self.folder / "prefect"),
                "PREFECT_API_URL": f"http://{HOST}:{port}/api",
                "PREFECT_UI_API_URL": f"http://{HOST}:{port}/api",
                "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT),
                "PREFECT_WORKER_QUERY_SECONDS": "2",
                "LENS_HOME": str(ROOT),
                "LENS_PYTHON": sys.executable,
                environment.STORE: str(self.store),
            }
        )

    def _wait(self, name: str, started: Runner, is_ready: Callable[[], bool]) -> None:
        """Wait until the server or the worker that was started is ready, and not another one at its place."""
        last = time.monotonic() + PATIENCE
        while time.monotonic() < last:
            process = started.process
            if not process:
                raise ServiceError(
                    f"the {name} ended at once: {_last_line(self.log_of(name))}", f"see {self.log_of(name)}"
                )
            with suppress(httpx.HTTPError):
                if is_ready():
                    return
            with suppress(psutil.TimeoutExpired):
                process.wait(_LOOK)
        raise ServiceError(f"the {name} has not answered within {PATIENCE:.0f} s", f"see {self.log_of(name)}")

    def _deployed(self, state: State, api: httpx.Client, tell: Tell) -> State:
        """Bring the server's deployments up to date with prefect.yaml, and have it look for lost heartbeats."""
        if not PREFECT_YAML.is_file():
            raise ServiceError(f"there is no {PREFECT_YAML}", "start the service from a clone of the repository")
        digest = hashlib.sha256(
            PREFECT_YAML.read_bytes() + f"{ROOT} {sys.executable} {json.dumps(LOST)}".encode()
        ).hexdigest()
        if state.deployed == digest:
            return state
        tell("deploying what prefect.yaml names")
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
            env=self._environment(state.port),
            check=False,
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["nothing was said"]
            raise ServiceError(f"prefect.yaml cannot be deployed: {lines[-1]}", "correct prefect.yaml")
        forget_others(api)
        watch_heartbeats(api)
        state = replace(state, deployed=digest)
        self._write(state)
        return state


def join(store: Path) -> None:
    """Have the flows of this process reported to the service of a store, if it runs; to be called before any import."""
    state = Service(store).read()
    if state and state.runs["server"]:
        os.environ.setdefault("PREFECT_API_URL", f"{state.url}/api")


def _free_port(asked: int | None, before: int | None) -> int:
    """Return a port that nobody holds: the one that is asked for, that of before, the usual one, or any.

    Raises:
        ServiceError: somebody holds the port that is asked for.
    """
    if asked is not None:
        if not _is_free(asked):
            raise ServiceError(f"port {asked} is held by {_holder(asked)}", "give another --port, or none")
        return asked
    for port in (before, USUAL_PORT):
        if port and _is_free(port):
            return port
    with socket.socket() as any_port:
        any_port.bind((HOST, 0))
        return int(any_port.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        # As servers do: a port whose last connections are still being closed is free.
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError:
            return False
    return True


def _holder(port: int) -> str:
    with suppress(psutil.Error):
        for held in psutil.net_connections("tcp"):
            if held.laddr and held.laddr.port == port and held.status == psutil.CONN_LISTEN and held.pid:
                return f"{psutil.Process(held.pid).name()} (process {held.pid})"
    return "another process"


def _end(process: psutil.Process) -> None:
    """End a process and all that it started: asked twice, as a worker with a run wants it, then killed."""
    family = [process]
    with suppress(psutil.Error):
        family += process.children(recursive=True)
    for _ in range(2):
        for one in family:
            with suppress(psutil.Error):
                one.terminate()
        _, family = psutil.wait_procs(family, timeout=STOPPING / 2)
        if not family:
            return
    for one in family:
        with suppress(psutil.Error):
            one.kill()
    psutil.wait_procs(family, timeout=STOPPING)


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
