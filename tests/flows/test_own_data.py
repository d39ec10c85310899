"""A run whose autoencoder trains on another folder than the one analysed, from plan to report."""

import json
from pathlib import Path

import pytest

from flows.inline import InlineRunner
from flows.running import run_plan
from pipeline_core import open_store
from pipeline_core.planner.estimates import estimate
from pipeline_core.planner.plan import Plan
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.schema.parquet import read_table
from pipeline_core.store.artifacts import Store
from tests.shared import filled_once, own_copy
from tests.small import picture_folder, small_config

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def ran(inline_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    """A run in a store that has all that does not hang on the autoencoder."""
    pictures = filled_once(tmp_path_factory, "pictures", picture_folder)
    other = picture_folder(tmp_path_factory.mktemp("data") / "other", 30)
    elsewhere = f"trained_on: {{name: folder, path: {other}}}, states: vectors, features: 64, k: 4, epochs: 2"
    saes = f"sae=[{{name: elsewhere, batch_size: 16, {elsewhere}}}]"
    plan = plan_analysis(small_config(pictures, "model.name=reference-contrastive", "compare_with=[]", saes))
    store = own_copy(tmp_path_factory, inline_store)
    run_plan("analyze", plan, store, InlineRunner())
    return plan, store


def test_the_autoencoder_saw_the_other_folder_and_is_measured_on_both(ran: tuple[Plan, Path]) -> None:
    run = open_store(ran[1]).run()
    (told,) = run.table("sae/reference-contrastive/elsewhere", "sae_data").to_dicts()
    samples = run.table("data-1/dataset", "samples")
    split = dict(samples["split"].value_counts().iter_rows())
    assert (told["trained_on"], told["n_samples"]) == ("folder other", split["train"])
    assert (told["n_tokens"], told["held_out_tokens"]) == (split["train"], split["validation"])
    assert 0 < told["held_out_fvu"] < 2
    measured = run.table("codes/reference-contrastive/elsewhere", "reconstruction")
    analysed = run.table("dataset", "samples")
    assert measured.filter(modality="all")["n_vectors"].item() == analysed.height
    metadata = json.loads((run.artifact("sae/reference-contrastive/elsewhere") / "cfg.json").read_text())["metadata"]
    assert metadata["hook_name"] == "L-1/model"


def test_of_the_other_folder_no_query_or_candidate_is_embedded(ran: tuple[Plan, Path]) -> None:
    run = open_store(ran[1]).run()
    folder = run.artifact("data-1/activations/reference-contrastive")
    splits = run.table("data-1/dataset", "samples").select("sample_id", "split")
    embedded = read_table(folder, "embeddings", ["sample_id"]).join(splits, on="sample_id")
    assert set(embedded["split"]) == {"train", "validation"}
    assert read_table(folder, "tokens", ["sample_id"]).height == embedded.height


def test_the_report_says_what_it_was_trained_on_and_shows_the_data_analysed(ran: tuple[Plan, Path]) -> None:
    plan, store = ran
    page = (Store(store).folder(plan.steps["report"].key) / "report.html").read_text(encoding="utf-8")
    assert "folder other" in page
    run = open_store(store).run()
    with open_store(store).warehouse() as warehouse:
        (shown,) = warehouse.sql("select count(*) from latest.samples").fetchall()
        (timed,) = warehouse.sql("select count(*) from stage_times where name like 'data-1/%'").fetchall()
    assert shown[0] == run.table("dataset", "samples").height
    assert timed[0] == 2


def test_what_other_data_take_is_estimated_by_their_own_rows(ran: tuple[Plan, Path]) -> None:
    plan, store = ran
    assert estimate(plan, Store(store), probe=lambda threads: 1e9).steps == ()
