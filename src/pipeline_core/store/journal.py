"""The journal of runs: when each ran, with which config, which artifacts it used and which it found."""

import fcntl
import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline_core.errors import StoreError
from pipeline_core.store.durable import publish_text
from pipeline_core.store.space import NoRoomError, room_told

RUNS = "runs"
_JOURNAL = "the journal"

LATEST = "latest"
"""What the latest completed run is called; ``latest~1`` is the one before it."""

_TOLD = 3
_BACK = re.compile(rf"{LATEST}(?:~(\d+))?")

log = logging.getLogger(__name__)


Inside = Annotated[str, Field(pattern=r"^[^./][^/]*$")]
"""Name of a folder; an edited record must not lead out of the store."""


class RunArtifact(BaseModel):
    """An artifact in a run; ``cached`` and ``seconds`` are None until the run has reached it.

    ``repetition`` is 0 for the analysis itself and r for what is repeated with every seed raised by r; ``data`` is ''
    for what is made of the data analysed, and names other data.
    """

    model_config = ConfigDict(frozen=True)
    name: str
    stage: Inside
    fingerprint: Inside
    repetition: int = 0
    data: str = ""
    cached: bool | None = None
    seconds: float | None = None


class RunRecord(BaseModel):
    """One run. A record is written when the run starts, with all that it plans to use, and again when it ends.

    A run that was killed could not write how it ended: it is read as failed, with no time of its end.
    """

    model_config = ConfigDict(frozen=True)
    run_id: str
    flow: str
    config: dict[str, Any]
    state: Literal["running", "completed", "failed"]
    started: datetime
    ended: datetime | None = None
    artifacts: tuple[RunArtifact, ...] = ()

    @property
    def seconds(self) -> float | None:
        """Wall time, seconds; None while the run is not over."""
        return (self.ended - self.started).total_seconds() if self.ended else None

    def named(self, start: str) -> tuple[str, ...]:
        """Return what follows ``start`` in the names of the analysis's own artifacts: models after ``activations/``."""
        own = (used.name for used in self.artifacts if used.repetition == 0)
        return tuple(name.removeprefix(start) for name in own if name.startswith(start))


class LiveRun:
    """A run that is going on: its record so far."""

    def __init__(self, record: RunRecord) -> None:
        """Go on from a record."""
        self.record = record

    def reach(self, name: str, cached: bool, seconds: float) -> None:
        """Note that the artifact ``name`` is there: found or built, and the time that took, seconds."""
        found = {"cached": cached, "seconds": seconds}
        artifacts = tuple(a.model_copy(update=found) if a.name == name else a for a in self.record.artifacts)
        self.record = self.record.model_copy(update={"artifacts": artifacts})


@contextmanager
def journalled_run(
    store: Path, flow: str, config: dict[str, Any], artifacts: Sequence[RunArtifact]
) -> Iterator[LiveRun]:
    """Journal what happens inside as a run: completed at the end, failed when an exception of any kind leaves it.

    Args:
        store: the store's folder.
        flow: analyze, compare or sweep.
        config: the whole config, JSON values.
        artifacts: all that the run plans to use; they are safe from pruning while it goes on.
    """
    # A clock that was set back must not make this run older than those before it, nor end before it started.
    started, clock = max([datetime.now(UTC), *_after_newest(store)]), time.monotonic()
    run_id = f"{started:%Y%m%dT%H%M%S}-{uuid4().hex[:6]}"
    record = RunRecord(
        run_id=run_id, flow=flow, config=config, state="running", started=started, artifacts=tuple(artifacts)
    )
    path = store / RUNS / f"{run_id}.json"
    lock = _lock_of(path)
    with room_told(store, _JOURNAL):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    with lock.open("w") as file:
        # The kernel frees it when the process dies, which tells a killed run from one that goes on.
        fcntl.flock(file, fcntl.LOCK_EX)
        _write(path, record)
        run = LiveRun(record)
        state = "failed"
        try:
            yield run
            state = "completed"
        finally:
            ended = started + timedelta(seconds=time.monotonic() - clock)
            run.record = run.record.model_copy(update={"state": state, "ended": ended})
            try:
                _write(path, run.record)
            except (OSError, NoRoomError) as error:
                # Without its lock the record of the start is read as failed, which leaves the reason to be told.
                if state == "completed":
                    raise
                log.info("the end of run %s cannot be written: %s", run_id, error)
            finally:
                lock.unlink()


def read_runs(store: Path) -> list[RunRecord]:
    """Return every run of a store, oldest first.

    Raises:
        StoreError: a record cannot be read.
    """
    return sorted((read_run(path) for path in (store / RUNS).glob("*.json")), key=lambda run: (run.started, run.run_id))


def used_artifacts(store: Path, keep_runs: int) -> set[str]:
    """Return the "stage/fingerprint" of all that the newest completed runs and the runs that are going on use.

    Args:
        store: the store's folder.
        keep_runs: number of completed runs, from 1.

    Raises:
        StoreError: a record cannot be read.
    """
    runs = read_runs(store)
    completed = [run for run in runs if run.state == "completed"]
    kept = completed[-keep_runs:] + [run for run in runs if run.state == "running"]
    return {f"{artifact.stage}/{artifact.fingerprint}" for run in kept for artifact in run.artifacts}


def names_its_store(name: str) -> bool:
    """Say whether a run is named by the path of its record, or of a store, so that no store has to be named."""
    return name.endswith(".json") or "/" in name


def find_run(store: Path, name: str = LATEST) -> tuple[Path, RunRecord]:
    """Find a run; return its store and it.

    Args:
        store: the store's folder.
        name: its id or a beginning that no other has, ``latest`` for the latest that completed, ``latest~1`` for the
            one before that, the path of a record, which may be in another store, or that of another store, written
            with a ``/``, whose latest it is.

    Raises:
        StoreError: there is no such run, or several; it tells the nearest.
    """
    if name.endswith(".json"):
        path = Path(name).resolve()
        return path.parent.parent, read_run(path)
    if names_its_store(name):
        root = Path(name).resolve()
        if not root.is_dir():
            raise StoreError(f"there is no store at {root}", "name a store's folder, or a record among its runs")
        return find_run(root)
    runs = read_runs(store)
    if back := _BACK.fullmatch(name):
        completed = [run for run in reversed(runs) if run.state == "completed"]
        if not completed:
            raise StoreError(f"the store {store} has no completed run", "run lens run")
        if int(back[1] or 0) >= len(completed):
            known = f"the first that completed is {LATEST}~{len(completed) - 1}, {completed[-1].run_id}"
            raise StoreError(f"the store {store} has no run {name!r}", known)
        return store, completed[int(back[1] or 0)]
    ids = [run.run_id for run in runs]
    found = [run for run in runs if run.run_id.startswith(name)]
    if len(found) == 1:
        return store, found[0]
    if found:
        several = ", ".join(run.run_id for run in found[-_TOLD:])
        raise StoreError(f"{len(found)} runs begin with {name!r}", f"write more of the id; the latest are {several}")
    nearest = ", ".join(get_close_matches(name, ids, _TOLD, cutoff=0.0)) or "none yet"
    raise StoreError(f"the store {store} has no run {name!r}", f"nearest: {nearest}; lens runs lists all")


def completed_run(store: Path, name: str = LATEST) -> RunRecord:
    """Return a run of a store that completed, named as for ``find_run``.

    Raises:
        StoreError: there is no such run, or it did not complete.
    """
    run = find_run(store, name)[1]
    if run.state != "completed":
        raise StoreError(f"the run {run.run_id} is {run.state}", "name one that completed: lens runs")
    return run


def read_run(path: Path) -> RunRecord:
    """Read one record; one that says "running" although nobody runs it any more counts as failed.

    Raises:
        StoreError: it is missing or cannot be read.
    """
    record = _parse(path)
    if record.state != "running" or _is_locked(_lock_of(path)):
        return record
    # It may have ended between the two looks.
    record = _parse(path)
    return record.model_copy(update={"state": "failed"}) if record.state == "running" else record


def _after_newest(store: Path) -> list[datetime]:
    """Return the moments after the starts of those runs that started in the newest second of all, by their names."""
    paths = list((store / RUNS).glob("*.json"))
    newest = max((path.name.partition("-")[0] for path in paths), default="")
    found = []
    for path in paths:
        if path.name.startswith(newest):
            with suppress(StoreError):
                found.append(_parse(path).started + timedelta(microseconds=1))
    return found


def _parse(path: Path) -> RunRecord:
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise StoreError(f"there is no run record {path}", "name a run id or the path of runs/<run_id>.json") from None
    except ValidationError as error:
        detail = re.sub(r"\s+", " ", str(error))[:120]
        raise StoreError(f"the run record {path} cannot be read: {detail}", "remove that file") from None


def _lock_of(record: Path) -> Path:
    return record.with_suffix(".lock")


def _is_locked(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _write(path: Path, record: RunRecord) -> None:
    with room_told(path.parent, _JOURNAL):
        publish_text(path, record.model_dump_json(indent=1))
