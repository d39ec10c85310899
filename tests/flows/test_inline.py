"""The runner without a server gives the same tables, tries again what may pass, and imports no more than it needs."""

import io
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import count
from pathlib import Path

import pytest

from flows.inline import InlineRunner
from flows.running import run_plan
from pipeline_core.config import RunConfig
from pipeline_core.errors import LensError
from pipeline_core.planner import execution
from pipeline_core.planner.plan import Plan
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.store.artifacts import Store
from pipeline_core.store.diff import diff_runs
from pipeline_core.store.journal import find_run, read_runs
from tasks.events import write_as_asked
from tests.small import picture_folder, small_config

HEAVY = ("prefect", "torch", "transformers")


def test_it_gives_the_tables_that_prefect_gives(analysed: Path, inline_store: Path) -> None:
    (own, *_), (other, *_) = read_runs(inline_store), read_runs(analysed)
    differences = diff_runs(analysed, other.run_id, str(inline_store / "runs" / f"{own.run_id}.json"))
    shared = {a.name for a in own.artifacts} & {a.name for a in other.artifacts}
    assert {f"{stage}/reference-contrastive" for stage in ("activations", "retrieval", "index")} < shared
    assert {d.name for d in differences} & (shared - {"report"}) == set()


def test_a_cached_run_starts_neither_prefect_nor_a_model(inline_store: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(inline_store, tmp_path / "store"))
    (run, *_) = read_runs(store)
    (tmp_path / "config.json").write_text(json.dumps(run.config | {"placement": {"runner": "prefect"}}))
    script = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('loaded:', [m for m in {HEAVY} if m in sys.modules]))\n"
        "from flows.cli import app\n"
        f"app(['run', '--config', {str(tmp_path / 'config.json')!r}, '--store', {str(store)!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "loaded: []" in done.stdout
    assert "Report: " in done.stdout
    assert len(read_runs(store)) > 1


def test_an_inline_run_imports_no_prefect(tmp_path: Path) -> None:
    config = small_config(picture_folder(tmp_path / "pictures", 6))
    (tmp_path / "config.json").write_text(json.dumps(config.model_dump(mode="json", by_alias=True)))
    script = (
        "import sys\n"
        "import flows.inline, flows.running, pipeline_core.planner.planning as planning\n"
        "from pathlib import Path\n"
        "from pipeline_core.config import load_config\n"
        f"planning.plan_analysis(load_config(file=Path({str(tmp_path / 'config.json')!r})))\n"
        f"print([m for m in {HEAVY} if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=os.environ)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A plan of the data set alone."""
    whole = plan_analysis(small_config(picture_folder(tmp_path / "pictures", 24)))
    return replace(whole, steps={"dataset": whole.steps["dataset"]})


def test_a_store_inside_the_data_folder_makes_no_run_new(plan: Plan) -> None:
    inside = plan.config.section("dataset.path") / "results" / "store"
    store = Store(inside)
    run_plan("analyze", plan, inside, InlineRunner())
    again = plan_analysis(plan.config)
    assert again.steps["dataset"].key == plan.steps["dataset"].key
    assert store.status(again.steps["dataset"].key) == "present"


def test_a_clock_that_is_set_back_while_a_run_goes_on_changes_nothing(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day back, each time that anything asks for the time."""
    root, real, days = tmp_path / "store", datetime.now(UTC), count(1)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return real - timedelta(days=next(days))

    first = run_plan("analyze", plan, root, InlineRunner())
    shutil.rmtree(Store(root).folder(plan.steps["dataset"].key))
    for module in ("journal", "manifest"):
        monkeypatch.setattr(f"pipeline_core.store.{module}.datetime", Clock)
    monkeypatch.setattr(time, "time", lambda: Clock.now().timestamp())
    second = run_plan("analyze", plan, root, InlineRunner())
    assert next(days) > 3
    assert [run.run_id for run in read_runs(root)] == [first.run_id, second.run_id]
    assert find_run(root, "latest")[1].run_id == second.run_id
    assert second.state == "completed" and 0 <= second.seconds < 60
    assert (Store(root).verify(), plan.is_settled(Store(root))) == ([], True)
    assert diff_runs(root, first.run_id, second.run_id) == []


def test_an_input_output_error_is_tried_again(plan: Plan, tmp_path: Path, monkeypatch, caplog) -> None:
    caplog.set_level(logging.INFO, logger="flows.inline")
    failures = iter([OSError(5, "Input/output error")])
    real = type(plan.steps["dataset"].maker).build

    def flaky(*arguments: object) -> None:
        for failure in failures:
            raise failure
        real(*arguments)

    monkeypatch.setattr(type(plan.steps["dataset"].maker), "build", flaky)
    monkeypatch.setattr("flows.inline.RETRY_DELAYS", (0.0,))
    record = run_plan("analyze", plan, tmp_path / "store", InlineRunner())
    assert record.state == "completed"
    again, built = (line.getMessage() for line in caplog.records if line.name == "flows.inline")
    assert again == "dataset: [Errno 5] Input/output error; tried again in 0 s"
    (artifact,) = record.artifacts
    assert built.startswith("dataset: built in ")
    assert built.endswith(f" run={record.run_id} stage=dataset fingerprint={artifact.fingerprint}")


def test_events_are_lines_of_json_where_that_is_asked_for(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENS_LOG", "json")
    stream, logger = io.StringIO(), logging.getLogger("flows.inline")
    handler = logging.StreamHandler(stream)
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "level", logging.INFO)
    monkeypatch.setattr(logging, "lastResort", None)
    write_as_asked()
    record = run_plan("analyze", plan, tmp_path / "store", InlineRunner())
    logger.warning("outside of a step, over\ntwo lines")
    (artifact,) = record.artifacts
    first, last = map(json.loads, stream.getvalue().splitlines())
    whose = {"run": record.run_id, "step": "dataset", "stage": "dataset", "fingerprint": artifact.fingerprint}
    assert first.items() > (whose | {"level": "INFO", "logger": "flows.inline"}).items()
    assert first["message"].startswith("dataset: built in ")
    assert last.keys() == {"time", "level", "logger", "message"}


def test_a_users_mistake_is_told_once_and_ends_the_run(plan: Plan, tmp_path: Path, monkeypatch) -> None:
    attempts = []

    def refuse(*arguments: object) -> None:
        attempts.append(arguments)
        raise LensError("the input is wrong", "mend it")

    monkeypatch.setattr(type(plan.steps["dataset"].maker), "build", refuse)
    with pytest.raises(LensError, match="the input is wrong; mend it"):
        run_plan("analyze", plan, tmp_path / "store", InlineRunner())
    assert len(attempts) == 1
    assert [run.state for run in read_runs(tmp_path / "store")] == ["failed"]


def test_steps_go_on_where_another_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config: RunConfig = small_config(picture_folder(tmp_path / "pictures", 24))
    plan = plan_analysis(config)
    carried = []

    def carry_out(plan: Plan, name: str, *_: object) -> tuple[execution.Outcome, object]:
        carried.append(name)
        if name == "activations/reference-mllm":
            raise LensError("no", "")
        step = plan.steps[name]
        artifact = type("Found", (), {"n_held": 0})
        return execution.Outcome(name, step.stage, step.key.short, True, 0.0), artifact

    monkeypatch.setattr("flows.inline.carry_out", carry_out)
    with pytest.raises(LensError, match="no"):
        run_plan("analyze", plan, tmp_path / "store", InlineRunner())
    reached = {name for name in plan.steps if "mllm" not in name and name != "report"}
    assert set(carried) == reached | {"activations/reference-mllm"}
