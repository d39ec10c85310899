"""A folder with captions that are too long and a picture that a model refuses: the run ends, and everybody is told."""

import csv
from pathlib import Path

import pytest
from PIL import Image
from transformers import AutoModel

from flows.inline import InlineRunner
from flows.running import run_plan
from pipeline_core.config import AnalysisConfig
from pipeline_core.errors import ContractError, DataError
from pipeline_core.planner.execution import carry_out
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.report.build import REPORT_FILE
from pipeline_core.retrieval.search import NEVER
from pipeline_core.store.artifacts import Store
from pipeline_core.warehouse.query import query
from tests.models import tiny_duals, tiny_families, tiny_generative
from tests.small import picture_folder, small_config

SPLITS = ("train", "train", "support", "validation", "test")
N_PICTURES, STRIP = 45, 9
LONG = range(0, N_PICTURES, 4)
BEGINNING = "a waving hand " * 40


def hard_folder(place: Path) -> Path:
    """Pictures of which one is a strip; every fourth caption goes on after the same 120 words."""
    folder = picture_folder(place, N_PICTURES)
    metadata = folder / "metadata.csv"
    with metadata.open(newline="") as file:
        header, *rows = csv.reader(file)
    Image.new("RGB", (1, 250), "red").save(folder / rows[STRIP][0])
    with metadata.open("w", newline="") as file:
        written = csv.writer(file)
        written.writerow([*header, "split"])
        for n, (name, text) in enumerate(rows):
            written.writerow([name, f"{BEGINNING if n in LONG else ''}{text}", SPLITS[n % len(SPLITS)]])
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> AnalysisConfig:
    place = tmp_path_factory.mktemp("limits")
    generative = tiny_families.save(place / "qwen", tiny_generative.GENERATIVE["qwen2_vl"])
    dual = tiny_families.save(place / "clip", tiny_duals.DUAL["clip"], AutoModel)
    return small_config(
        hard_folder(place / "pictures"),
        f"model={{name: {generative}, alias: qwen, max_tokens: 100}}",
        f"compare_with=[{{name: {dual}, alias: clip}}]",
    )


@pytest.fixture(scope="module")
def store(config: AnalysisConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    run_plan("analyze", plan_analysis(config), root, InlineRunner())
    return root


def test_cut_texts_are_counted_in_sql_and_in_the_report(store: Path) -> None:
    counted = "SELECT model, count(DISTINCT sample_id), max(n_kept) FROM cut_texts GROUP BY model ORDER BY model"
    assert query(store, counted).rows == (("clip", len(LONG), 77), ("qwen", len(LONG), 100))
    page = " ".join(next(store.glob(f"report/*/{REPORT_FILE}")).read_text().split())
    for model, tokens in (("qwen", 100), ("clip", 77)):
        assert f"; {len(LONG)} of {N_PICTURES} texts were cut at {tokens} tokens by {model}" in page
    assert f"; 1 of {2 * N_PICTURES} samples could not be embedded by qwen (first: cannot be prepared: " in page
    assert "could not be embedded by clip" not in page


def test_captions_that_are_equal_after_the_cut_are_right_answers_alike(store: Path) -> None:
    long_in_test = len([n for n in LONG if SPLITS[n % len(SPLITS)] == "test"])
    assert long_in_test > 1
    judged = (
        "SELECT n_relevant, count(*) FROM latest.retrieval_ranks WHERE system_id = 'clip/raw' AND split = 'test' "
        "AND task_id = 'i2t' GROUP BY n_relevant ORDER BY n_relevant"
    )
    in_test = N_PICTURES // len(SPLITS)
    assert query(store, judged).rows == ((1, in_test - long_in_test), (long_in_test, long_in_test))


def test_a_refused_picture_is_a_miss_and_in_no_list(store: Path) -> None:
    ((model, sample_id, *row),) = query(
        store, "SELECT DISTINCT model, sample_id, fault, width, height FROM latest.refused"
    ).rows
    assert (model, *row) == ("qwen", "input", 1, 250)
    found = f"SELECT system_id FROM latest.retrieval_hits WHERE sample_id = '{sample_id}'"
    assert {system_id.partition("/")[0] for (system_id,) in query(store, found).rows} == {"clip"}
    counted = "SELECT DISTINCT task_id, n_queries FROM latest.retrieval_metrics WHERE split = 'test' ORDER BY task_id"
    in_test = N_PICTURES // len(SPLITS)
    assert query(store, counted).rows == (("i2t", in_test), ("t2i", in_test))
    missed = (
        f"SELECT split_part(system_id, '/', 1), task_id, count(DISTINCT query_id) FROM latest.retrieval_ranks "
        f"WHERE first_relevant_rank = {NEVER} AND NOT ends_with(system_id, 'shuffled_pairs') GROUP BY ALL ORDER BY ALL"
    )
    assert query(store, missed).rows == (("qwen", "i2t", 1), ("qwen", "t2i", 1))


def test_more_refusals_than_are_put_up_with_end_the_run_in_one_line(config: AnalysisConfig, tmp_path: Path) -> None:
    with pytest.raises(DataError) as told:
        run_plan("analyze", plan_analysis(putting_up_with(config, 0.001)), tmp_path, InlineRunner())
    assert str(told.value).startswith("1 of 90 samples that qwen is to embed cannot be used (1.1%, allowed 0.1%): ")
    assert str(told.value).endswith("or raise activations.max_refused_share: what was embedded is kept")


def test_what_is_put_up_with_builds_nothing_anew_and_holds_for_what_is_there(
    config: AnalysisConfig, store: Path
) -> None:
    step, place = "activations/qwen", Store(store)
    strict, as_it_was = plan_analysis(putting_up_with(config, 0.001)), plan_analysis(config)
    assert as_it_was.is_settled(place)
    assert set(strict.status(place).values()) == {"present"} and not strict.is_settled(place)
    with pytest.raises(ContractError, match=r'breaks more_than_allowed: .*"refused": 1, "embedded": 89'):
        carry_out(strict, step, place, lambda done, total: None)
    loose = plan_analysis(putting_up_with(config, 0.5))
    outcome, artifact = carry_out(loose, step, place, lambda done, total: None)
    assert outcome.cached and artifact.manifest.rules == loose.steps[step].rules != as_it_was.steps[step].rules


def putting_up_with(config: AnalysisConfig, share: float) -> AnalysisConfig:
    """The config with another share of refused samples allowed."""
    activations = config.activations.model_copy(update={"max_refused_share": share})
    return config.model_copy(update={"activations": activations})
