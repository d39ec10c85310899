"""The flows on real models and a real Prefect server: complete, cached, partly rebuilt, retried, refused."""

import shutil
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.context import get_run_context

import pipeline_core.features.compute as features
from flows.compare import compare
from flows.maintain import verify
from pipeline_core.config import AnalysisConfig
from pipeline_core.errors import ContractError, DataError
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.schema.parquet import read_table, write_table
from pipeline_core.store.artifacts import Store
from pipeline_core.store.diff import diff_runs
from pipeline_core.store.fingerprint import StageKey
from pipeline_core.store.journal import read_runs
from pipeline_core.user_cache import user_cache
from tests.small import small_config


@pytest.fixture
def store(analysed: Path, tmp_path: Path) -> Path:
    """A copy of the analysed store, to be changed freely."""
    return Path(shutil.copytree(analysed, tmp_path / "store"))


def run_and_watch(config: AnalysisConfig, store: Path) -> tuple[dict[str, str], Counter[str], BaseException | None]:
    """Run compare; return task states, attempts by task run name, and the exception it ended with."""
    seen = {}

    @flow(name="watched", task_runner=compare.task_runner)
    def watched() -> None:
        seen["id"] = get_run_context().flow_run.id
        compare.fn(config, store=str(store))

    error: BaseException | None = None
    try:
        watched()
    except Exception as caught:
        error = caught
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[seen["id"]])))
    return {r.name: r.state.name for r in runs}, Counter({r.name: r.run_count for r in runs}), error


def test_a_run_completes_and_is_journalled(analysed: Path, config: AnalysisConfig) -> None:
    run = read_runs(analysed)[0]
    assert run.state == "completed"
    assert {a.cached for a in run.artifacts} == {False}
    assert set(plan_analysis(config).status(Store(analysed)).values()) == {"present"}
    assert Store(analysed).verify() == []
    report = next(a for a in run.artifacts if a.stage == "report")
    page = (analysed / "report" / report.fingerprint / "report.html").read_text()
    assert "reference-mllm" in page
    assert "reference-contrastive" in page


def test_the_hourly_check_reads_reference_models_too(server: None, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    models = Store(user_cache("models"))
    model, _ = models.materialize(StageKey("reference", 1), lambda folder: (folder / "weights").write_text("as made"))
    assert verify.fn(tmp_path / "store") == 0
    (model.folder / "weights").write_text("altered")
    assert verify.fn(tmp_path / "store") == 1


def test_one_other_parameter_rebuilds_only_what_it_affects(store: Path, pictures: Path, config: AnalysisConfig) -> None:
    states, _, error = run_and_watch(small_config(pictures, "features.share=0.1"), store)
    assert error is None
    rebuilt = {name.split("/")[0] for name, state in states.items() if state == "Completed"}
    cached = {name.split("/")[0] for name, state in states.items() if state == "Cached"}
    assert rebuilt == {"features", "retrieval", "report"}
    assert cached == {"dataset", "activations", "sae", "codes", "index"}


@pytest.mark.long  # it waits as long as a retry does
def test_an_input_output_error_is_retried(store: Path, pictures: Path, config: AnalysisConfig, monkeypatch) -> None:
    real = features.compute_features
    failures = iter([OSError(5, "Input/output error")])

    def flaky(*arguments: object) -> None:
        for failure in failures:
            raise failure
        real(*arguments)

    monkeypatch.setattr(features, "compute_features", flaky)
    states, attempts, error = run_and_watch(small_config(pictures, "features.examples=3"), store)
    assert error is None
    assert set(states.values()) <= {"Completed", "Cached"}
    assert sorted(attempts[name] for name in states if name.startswith("features/")) == [1, 1, 2]


def test_a_users_mistake_is_not_retried(store: Path, pictures: Path, config: AnalysisConfig, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    (few / "metadata.csv").write_text("file_name,text\nnone.png,a picture that is not there\n")
    states, attempts, error = run_and_watch(small_config(few), store)
    assert isinstance(error, DataError)
    assert "\n" not in str(error)
    assert states == {"dataset": "Failed"}, "steps that need it are not begun"
    assert attempts["dataset"] == 1
    assert read_runs(store)[-1].state == "failed"
    assert set(plan_analysis(config).status(Store(store)).values()) == {"present"}


def test_a_broken_contract_publishes_nothing(store: Path, pictures: Path, config: AnalysisConfig, monkeypatch) -> None:
    real = features.compute_features

    def broken(*arguments: object) -> None:
        real(*arguments)
        folder = Path(str(arguments[-1]))
        write_table(folder, "features", read_table(folder, "features").with_columns(energy=pl.lit(-1.0)))

    monkeypatch.setattr(features, "compute_features", broken)
    other = small_config(pictures, "features.examples=4")
    states, attempts, error = run_and_watch(other, store)
    assert isinstance(error, ContractError)
    for word in ("features", "energy", "-1"):
        assert word in str(error)
    assert {attempts[name] for name in states if name.startswith("features/")} == {1}
    plan = plan_analysis(other)
    assert {plan.status(Store(store))[s.name] for s in plan.of_stage("features")} == {"missing"}


def test_a_deleted_file_is_built_anew_and_nothing_differs(store: Path, config: AnalysisConfig) -> None:
    first = read_runs(store)[-1]
    plan = plan_analysis(config)
    (codes, *_) = plan.of_stage("codes")
    (Store(store).folder(codes.key) / "codes" / "00000.parquet").unlink()
    states, _, error = run_and_watch(config, store)
    assert error is None
    assert [name for name, state in states.items() if state == "Completed"] == [codes.name]
    assert diff_runs(store, first.run_id, "latest") == []


@pytest.mark.long  # test_inline compares the tables of two runs, too, one by each runner
def test_the_same_config_gives_the_same_tables(analysed: Path, store: Path, config: AnalysisConfig) -> None:
    # All is built anew but what takes most of the time: that an extraction repeats is held by its own tests.
    slow, steps = "activations/reference-mllm", plan_analysis(config).steps
    for name in steps.keys() - {slow}:
        shutil.rmtree(Store(store).folder(steps[name].key))
    states, _, error = run_and_watch(config, store)
    assert error is None
    assert {name for name, state in states.items() if state == "Completed"} == steps.keys() - {slow}
    record = store / "runs" / f"{read_runs(store)[-1].run_id}.json"
    assert diff_runs(analysed, read_runs(analysed)[0].run_id, str(record)) == []
