"""The sweep on real models and a real server: it goes on from an analysis, repeats it, and judges every claim."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.sweep import sweep
from pipeline_core.config import AnalysisConfig
from pipeline_core.planner.planning import plan_sweep
from pipeline_core.report.claims import AT_LIMITS
from pipeline_core.schema.parquet import read_table
from pipeline_core.store.artifacts import Store
from pipeline_core.store.journal import RunRecord, read_runs
from pipeline_core.warehouse.query import query
from tests.flows.readme import OF_A_SWEEP
from tests.small import SMALL

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def swept(analysed: Path, config: AnalysisConfig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store that holds an analysis and then a sweep of two repetitions."""
    store = tmp_path_factory.mktemp("swept") / "store"
    shutil.copytree(analysed, store)
    sweep(config, store=str(store))
    yield store


@pytest.fixture(scope="module")
def record(swept: Path) -> RunRecord:
    return read_runs(swept)[-1]


def test_it_builds_nothing_that_the_analysis_stored(record: RunRecord) -> None:
    assert record.state == "completed"
    cached = {a.stage for a in record.artifacts if a.cached}
    assert cached == {"dataset", "activations", "sae", "codes", "features", "retrieval", "index"}
    built = {a.stage for a in record.artifacts if a.cached is False and a.repetition == 0}
    assert built == {"grid", "doses", "attention", "efficiency", "report"}


def test_a_repetition_runs_no_model_and_scores_the_same_test_split(swept: Path, config: AnalysisConfig) -> None:
    plan, store = plan_sweep(config), Store(swept)
    repeated = {step.stage for step in plan.steps.values() if step.repetition == 1}
    assert repeated == {"redraw", "sae", "codes", "features", "retrieval", "grid", "doses"}
    samples = [
        read_table(store.folder(step.key), "samples").sort("sample_id")
        for step in (*plan.of_stage("dataset"), *plan.of_stage("redraw", repetition=1))
    ]
    own, drawn = (frame["split"] for frame in samples)
    fixed = own.is_in(["train", "test"])
    assert (own == drawn).filter(fixed).all()
    assert not (own == drawn).all()


def test_raw_scores_of_the_test_split_are_equal_in_every_repetition(swept: Path) -> None:
    rows = query(
        swept,
        "select count(*) as n, max(spread) as largest from ("
        "  select max(value) - min(value) as spread, count(*) as repetitions"
        "  from retrieval_metrics join latest_repetitions using (artifact)"
        "  where split = 'test' and system_id = 'reference-mllm/raw' and metric = 'hit_rate'"
        "  group by task_id, k having count(*) = 2)",
    ).rows
    assert rows[0][0] > 0
    assert rows[0][1] == 0


def test_every_claim_has_a_verdict_in_sql_and_on_the_page(swept: Path, record: RunRecord) -> None:
    verdicts = dict(query(swept, "select claim, verdict from claims join latest_artifacts using (artifact)").rows)
    assert set(verdicts) == set(range(1, 14))
    assert set(verdicts.values()) <= {"holds", "refuted", "not settled", "not measurable here"}
    report = next(a for a in record.artifacts if a.stage == "report")
    page = (swept / "report" / report.fingerprint / "report.html").read_text()
    assert all(f'id="claim-{number}"' in page for number in verdicts)


NOT_MEASURED = {"image_mask", "prompt_mask", "under_generation"}
"""Parts that need composed tasks, or another rendering."""


def test_every_part_is_measured_in_every_repetition_but_those_that_cannot_be(swept: Path) -> None:
    parts = query(
        swept,
        "select part, n_cases + n_left_out, count(distinct claim_cases.repetition) as repetitions, claim_parts.needs "
        "from claim_parts join latest_artifacts using (artifact) "
        "left join claim_cases using (artifact, claim, part) group by all",
    ).rows
    missing = {part: needs for part, n_cases, _, needs in parts if n_cases == 0}
    # With so few queries no task is above chance, by which means over the tasks that can decide have none.
    assert {part for part, needs in missing.items() if needs != AT_LIMITS} == NOT_MEASURED
    # What is measured once: time, and attention.
    once = {part for part, n_cases, repetitions, _ in parts if n_cases and repetitions == 1}
    assert once == {"cost", "cost_by_condition", "cost_against_product", "follows_art"}


def test_every_figure_of_the_sweeps_is_on_the_page(swept: Path, record: RunRecord) -> None:
    report = next(a for a in record.artifacts if a.stage == "report")
    page = (swept / "report" / report.fingerprint / "report.html").read_text()
    for figure in ("layers", "poolings", "beta", "removal", "cost", "attention", "quadrants", "maps"):
        assert f'id="figure-{figure}"' in page


@pytest.mark.parametrize("question", OF_A_SWEEP)
def test_the_question_of_the_readme_is_answered(swept: Path, question: str) -> None:
    assert query(swept, question).rows


def test_search_works_on_a_sweep_with_any_of_its_models(swept: Path, record: RunRecord) -> None:
    assert read_runs(swept)[-1].flow == "sweep"
    found = CliRunner().invoke(
        app, ["search", "lollipop", "--model", "reference-contrastive", "-k", "1", "--store", str(swept)]
    )
    assert found.exit_code == 0, found.output
    assert "lollipop" in found.output


def test_a_second_sweep_runs_nothing(swept: Path, pictures: Path, record: RunRecord) -> None:
    settings = [
        part for setting in ("dataset.name=folder", f"dataset.path={pictures}", *SMALL) for part in ("--set", setting)
    ]
    done = CliRunner().invoke(app, ["sweep", *settings, "--store", str(swept)])
    assert done.exit_code == 0, done.output
    assert f"All {len(record.artifacts)} steps were cached" in done.output
