"""A read-only store, few open files, no home, a server that is gone: one line, no trace, a store as good as it was."""

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from flows.open_files import FEWEST
from pipeline_core.config import AnalysisConfig
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.store.artifacts import Store
from pipeline_core.store.diff import diff_runs
from pipeline_core.store.journal import read_runs
from pipeline_core.warehouse.current import current_warehouse
from tests.command import LENS, wait_for
from tests.shared import ends, own_copy

pytestmark = pytest.mark.long

# Where only this shell and what it starts see it, so that root, too, finds it read only.
READ_ONLY = 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; shift; exec "$@"'
OWN_LINE = re.compile(
    r"\d\d:\d\d:\d\d( \S+: (built in|was in the store) .* fingerprint=\w+$"
    r"|\.\d+ \| INFO +\| (prefect|Flow run|Task run) )"
    r"|See https://docs\.prefect\.io/\S+ for more information"
)
STOPPED = "lens: stopped; what was finished is in the store, and the same command goes on from there"
FEW_FILES = 'ulimit -n "$1"; shift; exec "$@"'


def ask(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def read_only(store: Path, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    shell = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", READ_ONLY, "sh")
    return ask(*shell, store, *LENS, *words, "--store", store)


@pytest.fixture(scope="module")
def store(inline_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_copy(tmp_path_factory, inline_store)


@pytest.fixture(scope="module")
def config(store: Path) -> dict[str, object]:
    current_warehouse(store)  # it was copied: its warehouse is built anew, once
    return dict(read_runs(store)[-1].config)


def written(place: Path, config: dict[str, object]) -> Path:
    path = place / "config.json"
    path.write_text(json.dumps(config))
    return path


def test_a_store_that_is_read_only_is_read_and_a_run_is_refused(
    store: Path, config: dict[str, object], tmp_path: Path
) -> None:
    for words in (("sql", "select count(*) from runs"), ("features",), ("report",), ("verify",)):
        done = read_only(store, *words)
        assert (done.returncode, done.stderr) == (0, ""), words
    for share in (config["features"], {"share": 0.2}):  # everything is there; something is to be built
        done = read_only(store, "run", "--config", written(tmp_path, config | {"features": share}))
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith("lens: [Errno 30] Read-only file system: ")
        assert line.endswith("; make it writable, or name another store with --store")
    assert Store(store).verify() == []


def test_a_folder_of_reports_that_is_read_only_refuses_a_report_in_one_line(
    store: Path, config: dict[str, object], tmp_path: Path
) -> None:
    report = AnalysisConfig.model_validate(config).report.model_dump() | {"features_shown": 1}
    run = (*LENS, "run", "--runner", "inline", "--config", written(tmp_path, config | {"report": report}))
    shell = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", READ_ONLY, "sh")
    done = ask(*shell, store / "report", *run, "--store", store)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("lens: "))
    assert line.startswith("lens: [Errno 30] Read-only file system: ")
    assert line.endswith("; make it writable, or name another store with --store")
    assert (read_runs(store)[-1].state, Store(store).verify()) == ("failed", [])
    done = ask(*shell, store / "report", *LENS, "report", "--store", store)
    assert (done.returncode, done.stderr) == (0, "")
    done = ask(*shell, tmp_path, *LENS, "export", "embedding_atlas", tmp_path / "atlas.parquet", "--store", store)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("lens: [Errno 30] ")
    done = ask(*run, "--store", store)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("runner", ["inline", "prefect"])
def test_few_open_files_are_one_line_or_enough(
    store: Path, config: dict[str, object], tmp_path: Path, runner: str
) -> None:
    other = written(tmp_path, config | {"features": {"share": 0.2 if runner == "inline" else 0.25}})
    command = (*LENS, "run", "--runner", runner, "--config", other, "--store", store)
    runs = len(read_runs(store))
    for n in (16, FEWEST - 1):
        done = ask("sh", "-c", FEW_FILES, "sh", str(n), *command)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            f"lens: no more than {n} files may be open at once here, and lens may need {FEWEST}; "
            "raise the limit of open files (ulimit -n 1024)\n"
        )
    assert len(read_runs(store)) == runs
    done = ask("sh", "-c", FEW_FILES, "sh", str(FEWEST), *command)
    assert done.returncode == 0, done.stderr
    assert Store(store).verify() == []
    assert "running" not in {run.state for run in read_runs(store)}


def test_a_named_server_that_is_not_there_is_one_line_and_nothing_runs(
    store: Path, config: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    runs, other = len(read_runs(store)), written(tmp_path, config | {"features": {"share": 0.3}})
    done = ask(*LENS, "run", "--config", other, "--store", store)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("lens: PREFECT_API_URL is http://127.0.0.1:9/api, and no server answers there (")
    assert len(read_runs(store)) == runs


@pytest.mark.parametrize("runner", ["inline", "prefect"])
def test_a_run_without_a_home_or_a_cache_ends_well_and_prints_its_own_lines_alone(
    store: Path, config: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runner: str
) -> None:
    """No line of a library's: nothing of leaked objects, tasks that are not ready, hubs that are asked again."""
    monkeypatch.setenv("HOME", "/dev/null/none")
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/none")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    changed = {"features": {"share": 0.25, "examples": len(runner)}}
    done = ask(*LENS, "run", "--runner", runner, "--config", written(tmp_path, config | changed), "--store", store)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if not OWN_LINE.match(line)] == []
    assert [line for line in done.stdout.splitlines() if not line.startswith(("• ", "Report: "))] == []
    assert Store(store).verify() == []


@pytest.mark.parametrize("runner", ["inline", "prefect"])
@pytest.mark.parametrize("stage", ["activations", "report"])
def test_a_stop_while_a_model_loads_or_a_report_is_written_is_one_line(
    inline_store: Path, tmp_path: Path, stage: str, runner: str
) -> None:
    root = Path(shutil.copytree(inline_store, tmp_path / "store"))
    store, plan = Store(root), plan_analysis(AnalysisConfig.model_validate(read_runs(root)[-1].config))
    (step,) = plan.of_stage(stage)
    shutil.rmtree(store.folder(step.key))
    partial, config = root / stage / f".partial-{step.key.short}", written(tmp_path, dict(read_runs(root)[-1].config))
    command = [*LENS, "run", "--runner", runner, "--config", config, "--store", root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for(process, partial.is_dir)
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=20)[1]
    assert process.returncode == 128 + signal.SIGTERM
    assert [line for line in told.splitlines() if not OWN_LINE.match(line)] == [STOPPED]
    assert len(family) == (runner == "prefect")
    assert all(ends(one.pid) for one in family)
    assert (store.status(step.key), store.verify(), read_runs(root)[-1].state) == ("missing", [], "failed")
    done = ask(*command)
    assert done.returncode == 0, done.stderr
    assert diff_runs(root, read_runs(root)[-1].run_id, read_runs(root)[0].run_id) == []
