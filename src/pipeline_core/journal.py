"""The journal of runs: when each ran, with which config, which artifacts it used and which it found."""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline_core.errors import StoreError

RUNS = "runs"


class RunArtifact(BaseModel):
    """An artifact in a run; ``cached`` and ``seconds`` are None until the run has reached it."""

    model_config = ConfigDict(frozen=True)
    name: str
    stage: str
    fingerprint: str
    cached: bool | None = None
    seconds: float | None = None


class RunRecord(BaseModel):
    """One run. A record is written when the run starts, with all that it plans to use, and again when it ends."""

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


def start_run(store: Path, flow: str, config: dict[str, Any], artifacts: Sequence[RunArtifact]) -> RunRecord:
    """Write and return the record of a run that starts now."""
    started = datetime.now(UTC)
    run_id = f"{started:%Y%m%dT%H%M%S}-{uuid4().hex[:6]}"
    record = RunRecord(
        run_id=run_id, flow=flow, config=config, state="running", started=started, artifacts=tuple(artifacts)
    )
    _write(store, record)
    return record


def end_run(
    store: Path, record: RunRecord, state: Literal["completed", "failed"], artifacts: Sequence[RunArtifact]
) -> RunRecord:
    """Write and return the record of a run that ends now."""
    ended = record.model_copy(update={"state": state, "ended": datetime.now(UTC), "artifacts": tuple(artifacts)})
    _write(store, ended)
    return ended


def read_runs(store: Path) -> list[RunRecord]:
    """Return every run of a store, oldest first.

    Raises:
        StoreError: a record cannot be read.
    """
    return sorted((read_run(path) for path in (store / RUNS).glob("*.json")), key=lambda run: (run.started, run.run_id))


def used_artifacts(store: Path, keep_runs: int) -> set[str]:
    """Return the "stage/fingerprint" of all that the newest ``keep_runs`` runs use, and of runs that are going on."""
    runs = read_runs(store)
    kept = runs[-keep_runs:] + [run for run in runs if run.state == "running"]
    return {f"{artifact.stage}/{artifact.fingerprint}" for run in kept for artifact in run.artifacts}


def find_run(store: Path, name: str) -> tuple[Path, RunRecord]:
    """Find a run by its id, by ``latest``, or by the path of its record in another store; return the store and the run.

    Raises:
        StoreError: there is no such run.
    """
    if name.endswith(".json"):
        path = Path(name).resolve()
        return path.parent.parent, read_run(path)
    runs = [run for run in read_runs(store) if name in ("latest", run.run_id)]
    if not runs:
        known = ", ".join(run.run_id for run in read_runs(store)[-3:]) or "none yet"
        raise StoreError(f"the store {store} has no run {name!r}", f"latest runs: {known}")
    return store, runs[-1]


def read_run(path: Path) -> RunRecord:
    """Read one record.

    Raises:
        StoreError: it is missing or cannot be read.
    """
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise StoreError(f"there is no run record {path}", "name a run id or the path of runs/<run_id>.json") from None
    except ValidationError as error:
        detail = re.sub(r"\s+", " ", str(error))[:120]
        raise StoreError(f"the run record {path} cannot be read: {detail}", "remove that file") from None


def _write(store: Path, record: RunRecord) -> None:
    folder = store / RUNS
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{record.run_id}.tmp"
    with temporary.open("w", encoding="utf-8") as file:
        file.write(record.model_dump_json(indent=1))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / f"{record.run_id}.json")
