"""The journal: a run is closed however it ends, a killed one is found out, and what runs use is known."""

import json
import multiprocessing
import os
import signal
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from pipeline_core.errors import StoreError
from pipeline_core.store import journal
from pipeline_core.store.journal import (
    RunArtifact,
    completed_run,
    find_run,
    journalled_run,
    read_run,
    read_runs,
    used_artifacts,
)

PLANNED = [RunArtifact(name=name, stage=name, fingerprint=name * 3) for name in ("sae", "codes")]


def artifact(fingerprint: str) -> list[RunArtifact]:
    return [RunArtifact(name="sae", stage="sae", fingerprint=fingerprint)]


def complete(root: Path, fingerprint: str) -> str:
    with journalled_run(root, "analyze", {}, artifact(fingerprint)) as run:
        pass
    return run.record.run_id


def fail(root: Path, fingerprint: str) -> None:
    with pytest.raises(OSError, match="disk"), journalled_run(root, "analyze", {}, artifact(fingerprint)):
        raise OSError("disk went away")


def test_a_run_is_running_until_it_is_completed(tmp_path) -> None:
    with journalled_run(tmp_path, "compare", {"k": 1}, PLANNED) as run:
        (going_on,) = read_runs(tmp_path)
        assert (going_on.state, going_on.ended, going_on.artifacts) == ("running", None, tuple(PLANNED))
        run.reach("codes", cached=True, seconds=0.5)
    (ended,) = read_runs(tmp_path)
    assert ended == run.record
    assert (ended.state, ended.flow, ended.config) == ("completed", "compare", {"k": 1})
    assert ended.seconds >= 0
    assert [(a.name, a.cached, a.seconds) for a in ended.artifacts] == [("sae", None, None), ("codes", True, 0.5)]
    assert [path.suffix for path in (tmp_path / "runs").iterdir()] == [".json"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, SystemExit])
def test_a_run_that_an_exception_ends_has_failed(tmp_path, error: type[BaseException]) -> None:
    with pytest.raises(error), journalled_run(tmp_path, "analyze", {}, PLANNED) as run:
        run.reach("sae", cached=False, seconds=2.0)
        raise error
    (ended,) = read_runs(tmp_path)
    assert ended.state == "failed"
    assert ended.ended is not None
    assert [a.cached for a in ended.artifacts] == [False, None]


def _hold(root: Path, begun: Connection) -> None:
    with journalled_run(root, "analyze", {}, artifact("killed")):
        begun.send(True)
        signal.pause()


def test_a_killed_run_counts_as_failed(tmp_path) -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    victim = context.Process(target=_hold, args=(tmp_path, there))
    victim.start()
    assert here.poll(60)
    (going_on,) = read_runs(tmp_path)
    assert going_on.state == "running", "another process sees that it goes on"
    assert used_artifacts(tmp_path, 1) == {"sae/killed"}
    os.kill(victim.pid, signal.SIGKILL)
    victim.join(60)
    (killed,) = read_runs(tmp_path)
    assert (killed.state, killed.ended, killed.seconds) == ("failed", None, None)
    assert read_run(tmp_path / "runs" / f"{killed.run_id}.json") == killed
    assert used_artifacts(tmp_path, 1) == set()


def test_a_running_record_without_its_lock_counts_as_failed(tmp_path) -> None:
    with journalled_run(tmp_path, "analyze", {}, []):
        text = next((tmp_path / "runs").glob("*.json")).read_text()
    (tmp_path / "elsewhere.json").write_text(text)
    assert read_run(tmp_path / "elsewhere.json").state == "failed"


def test_a_clock_set_back_changes_no_order_and_no_length(tmp_path, monkeypatch) -> None:
    times = iter(datetime(2026, 1, day, tzinfo=UTC) for day in (20, 10, 5))

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None) -> datetime:
            return next(times)

    monkeypatch.setattr(journal, "datetime", Clock)
    ids = [complete(tmp_path, fingerprint) for fingerprint in "abc"]
    assert used_artifacts(tmp_path, 1) == {"sae/c"}
    assert [run.run_id for run in read_runs(tmp_path)] == ids
    assert find_run(tmp_path, "latest")[1].run_id == ids[-1]
    assert all(0 <= run.seconds < 60 for run in read_runs(tmp_path))


def test_failed_runs_do_not_push_out_completed_ones(tmp_path) -> None:
    for fingerprint in ("a", "b", "c"):
        complete(tmp_path, fingerprint)
    for _ in range(3):
        fail(tmp_path, "failed")
    with journalled_run(tmp_path, "analyze", {}, artifact("live")):
        assert used_artifacts(tmp_path, 2) == {"sae/b", "sae/c", "sae/live"}
    assert used_artifacts(tmp_path, 2) == {"sae/c", "sae/live"}


def test_runs_are_found_by_id_and_latest(tmp_path) -> None:
    first, last = complete(tmp_path, "a"), complete(tmp_path, "b")
    assert find_run(tmp_path, "latest")[1].run_id == last
    assert find_run(tmp_path, first)[1].run_id == first
    assert find_run(tmp_path, "latest~1")[1].run_id == first
    fail(tmp_path, "c")
    assert completed_run(tmp_path).run_id == last
    with pytest.raises(StoreError, match="has no run 'nope'; nearest: 2"):
        find_run(tmp_path, "nope")
    with pytest.raises(StoreError, match="has no run 'nope'; nearest: none yet"):
        find_run(tmp_path / "empty", "nope")
    with pytest.raises(StoreError, match="has no completed run; run lens run"):
        find_run(tmp_path / "empty", "latest")


def test_a_record_from_before_repetitions_is_of_the_analysis(tmp_path) -> None:
    run_id = complete(tmp_path, "a")
    path = tmp_path / "runs" / f"{run_id}.json"
    record = json.loads(path.read_text())
    for used in record["artifacts"]:
        assert used.pop("repetition") == 0
    path.write_text(json.dumps(record))
    assert [used.repetition for used in read_run(path).artifacts] == [0]


def test_a_garbled_record_is_named(tmp_path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "x.json").write_text("{")
    with pytest.raises(StoreError, match=r"x\.json cannot be read"):
        read_runs(tmp_path)


def test_a_missing_record_is_named(tmp_path) -> None:
    with pytest.raises(StoreError, match="there is no run record"):
        find_run(tmp_path, str(tmp_path / "none.json"))


@pytest.mark.parametrize("place", [{"stage": ".."}, {"stage": "/etc"}, {"fingerprint": "../../x"}, {"fingerprint": ""}])
def test_a_record_that_leads_out_of_the_store_is_refused(tmp_path: Path, place: dict[str, str]) -> None:
    with journalled_run(tmp_path, "analyze", {}, PLANNED) as run:
        pass
    path = tmp_path / "runs" / f"{run.record.run_id}.json"
    values = json.loads(path.read_text())
    values["artifacts"][0] |= place
    path.write_text(json.dumps(values))
    with pytest.raises(StoreError, match="cannot be read") as caught:
        read_runs(tmp_path)
    assert "\n" not in str(caught.value)
