import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import stats

from pipeline_core.activations.spilled import Room
from pipeline_core.activations.vectors import Matrix
from pipeline_core.errors import DataError
from pipeline_core.retrieval import search
from pipeline_core.retrieval.adaptations import adaptation_settings
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.maps import load_maps
from pipeline_core.retrieval.metrics import rank_scores
from pipeline_core.retrieval.search import SearchResult
from pipeline_core.retrieval.settings import RetrievalSettings, ScoringSettings
from pipeline_core.retrieval.tiles import InMemory
from pipeline_core.schema import tables_of
from pipeline_core.schema.parquet import read_table, write_table
from tests.retrieval.scoring import evaluate
from tests.retrieval.synthetic import N_FEATURES, SPLITS, WIDTH, Study, write_study

SETTINGS = RetrievalSettings(depth=10, single_features=3)
SCORING = ScoringSettings(bootstrap=200, permutations=200)
ADAPTATIONS = adaptation_settings()(removal={"share": 0.05})


def run(study: Study, folder: Path, with_sae: bool = True) -> Path:
    folder.mkdir()
    given = study if with_sae else replace(study, saes=())
    evaluate(given.bench(folder, SCORING, ADAPTATIONS), SETTINGS)
    return folder


@pytest.fixture(scope="module")
def results(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(study, tmp_path_factory.mktemp("results") / "retrieval")


def value(results: Path, system: str, task: str = "t2i", metric: str = "hit_rate", k: int = 5) -> dict:
    frame = read_table(results, "retrieval_metrics")
    here = frame.filter(system_id=f"model/{system}", task_id=task, split="test", metric=metric, k=k)
    return here.row(0, named=True)


def test_all_tables_are_written_and_equal_on_another_device_with_no_room_for_one_pass(
    study: Study, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    again, asked, at_once = tmp_path / "again", set(), set()
    found = Pool.search

    def tiles_on(device: str) -> InMemory:
        asked.add(device)
        return InMemory()

    def one_pass(pool: Pool, queries: Sequence[Matrix], *rest: Any) -> list[SearchResult]:
        at_once.add(len(queries))
        return found(pool, queries, *rest)

    monkeypatch.setattr(search, "tiles_on", tiles_on)
    monkeypatch.setattr(Pool, "search", one_pass)
    again.mkdir()
    bench = study.bench(again, SCORING, ADAPTATIONS)
    evaluate(replace(bench, room=Room(1000, tmp_path), device="cuda:1"), SETTINGS)
    assert asked == {"cuda:1"} and at_once == {1}
    for table in tables_of("retrieval"):
        frame = read_table(results, table.name)
        assert frame.height > 0
        assert frame.select(table.key).is_unique().all(), table.name
        assert_frame_equal(frame, read_table(again, table.name))


def test_centring_and_realign_undo_the_modality_gap(results: Path):
    assert value(results, "raw")["value"] < 0.4
    for system in ("mean_removal", "realign", "realign-support", "realign-code-transductive", "zca"):
        assert value(results, system)["low"] > 0.6, system


def test_a_task_without_support_queries_loses_what_is_fitted_on_them_and_nothing_else(
    study: Study, results: Path, tmp_path: Path
):
    task = "t2i"
    dataset = shutil.copytree(study.dataset, tmp_path / "dataset")
    lost = (pl.col("task_id") == task) & (pl.col("split") == "support")
    write_table(dataset, "queries", read_table(dataset, "queries").filter(~lost))
    without = run(replace(study, dataset=dataset), tmp_path / "retrieval")
    systems = read_table(results, "systems")
    fitted = systems.filter(pl.col("fit_on").is_in(["candidates", "support", "joint"]))["system_id"].implode()
    assert_frame_equal(read_table(without, "systems"), systems)
    for name in ("retrieval_metrics", "retrieval_ranks", "retrieval_hits", "removal_effects", "comparisons"):
        named = pl.col("system_id").is_in(fitted)
        if name == "comparisons":
            named |= pl.col("baseline_id").is_in(fitted)
        kept = read_table(results, name).filter(~(named & (pl.col("task_id") == task)))
        columns = [column for column in kept.columns if column != "q"]  # corrected over fewer tests
        assert_frame_equal(read_table(without, name).select(columns), kept.select(columns))
    maps = load_maps(without / "adaptations" / f"{task}.safetensors")
    assert {name.partition("/")[0] for name in maps} == {"realign-code-transductive", "removal-paper"}


def test_features_measured_on_test_choose_no_removal(study: Study, results: Path, tmp_path: Path, caplog):
    dataset = shutil.copytree(study.dataset, tmp_path / "dataset")
    write_table(dataset, "samples", read_table(dataset, "samples").with_columns(split=pl.lit("test")))
    without = run(replace(study, dataset=dataset), tmp_path / "retrieval")
    removing = pl.col("selection").is_not_null()
    assert read_table(results, "systems").filter(removing).height > 0
    assert_frame_equal(read_table(without, "systems"), read_table(results, "systems").filter(~removing))
    assert read_table(without, "removal_effects").is_empty()
    assert "measured on test alone, so that none are chosen to be removed" in caplog.text


def test_shuffled_pairs_stay_at_chance(results: Path):
    rows = read_table(results, "retrieval_metrics").filter(system_id="model/realign-shuffled_pairs", metric="hit_rate")
    for row in rows.iter_rows(named=True):
        error = np.sqrt(row["chance"] * (1 - row["chance"]) / row["n_queries"])
        assert abs(row["value"] - row["chance"]) < 3 * error
    assert value(results, "realign-shuffled_pairs")["chance"] == pytest.approx(5 / SPLITS["test"])


def test_intervals_hold_the_value_and_only_named_systems_have_lists(results: Path):
    metrics = read_table(results, "retrieval_metrics")
    assert (metrics["low"] <= metrics["value"]).all()
    assert (metrics["value"] <= metrics["high"]).all()
    systems = read_table(results, "systems")
    listed = systems.filter(pl.col("named"), pl.col("control") == "none")["system_id"]
    assert set(read_table(results, "retrieval_hits")["system_id"]) == set(listed)
    with_ndcg = set(metrics.filter(metric="ndcg")["system_id"])
    assert with_ndcg == set(systems.filter(pl.col("named"))["system_id"])
    assert set(metrics["split"]) == {"validation", "test"}


def test_scores_name_the_families_that_their_intervals_are_drawn_from(results: Path):
    metrics = read_table(results, "retrieval_metrics")
    for (split,), rows in metrics.group_by("split"):
        assert set(rows["n_queries"]) == {SPLITS[split]}
        assert set(rows["n_groups"]) == {-(-SPLITS[split] // 3)}


def test_metrics_ranks_and_hits_tell_one_story(results: Path):
    ranks = read_table(results, "retrieval_ranks").filter(system_id="model/realign", task_id="i2i", split="test")
    hits = read_table(results, "retrieval_hits").filter(system_id="model/realign", task_id="i2i")
    first = hits.filter("relevant").group_by("query_id").agg(pl.col("rank").min())
    both = ranks.join(first, on="query_id")
    assert both.height > 10
    assert (both["first_relevant_rank"] == both["rank"]).all()
    scores = rank_scores(ranks["first_relevant_rank"].to_numpy().astype(np.int64), (5,))
    assert value(results, "realign", "i2i")["value"] == pytest.approx(scores["hit_rate", 5].mean())
    assert not hits.filter(pl.col("sample_id") == pl.format("image:{}", "query_id")).height


def test_effects_are_differences_of_the_metrics(results: Path):
    effects = read_table(results, "removal_effects")
    for row in effects.filter(pl.col("feature_id").is_null()).iter_rows(named=True):
        after, before = (
            value(results, row["system_id"].removeprefix("model/"), row["task_id"]),
            value(results, "raw", row["task_id"]),
        )
        assert row["delta"] == pytest.approx(after["value"] - before["value"])
    assert effects.filter(selection="single").height == 3 * 2
    assert set(effects["selection"]) == {
        "attribution",
        "energy_matched",
        "random_features",
        "random_subspace",
        "principal_components",
        "single",
    }
    assert (effects["q"] >= effects["p"] - 1e-12).all()


def test_control_tasks_are_a_family_of_tests_of_their_own(study: Study, tmp_path: Path):
    dataset = Path(shutil.copytree(study.dataset, tmp_path / "dataset"))
    tasks = read_table(dataset, "tasks")
    control = pl.when(pl.col("task_id") == "i2i").then(pl.lit("image_only")).otherwise(pl.lit("none"))
    write_table(dataset, "tasks", tasks.with_columns(control=control))
    results = run(replace(study, dataset=dataset), tmp_path / "retrieval")
    for name in ("removal_effects", "comparisons"):
        tests = read_table(results, name).with_columns(own=pl.col("task_id") != "i2i")
        assert tests["own"].n_unique() == 2
        for _, family in tests.group_by("own"):
            np.testing.assert_allclose(family["q"], stats.false_discovery_control(family["p"].to_numpy()))


def test_comparisons_hold_each_named_system_against_raw_and_realign_against_centring(results: Path):
    comparisons = read_table(results, "comparisons").filter(task_id="t2i")
    pairs = {
        (s.removeprefix("model/"), b.removeprefix("model/"))
        for s, b in comparisons[["system_id", "baseline_id"]].rows()
    }
    assert ("realign", "raw") in pairs
    assert ("realign", "mean_removal") in pairs
    assert ("realign-support", "mean_removal-support") in pairs
    assert ("removal-paper", "removal-paper-energy_matched") in pairs
    fair = {baseline for system, baseline in pairs if baseline.startswith("pca-joint") and system == "realign"}
    assert fair == {"pca-joint", "pca-joint-r2", "pca-joint-r4", "pca-joint-r8"}
    gain = comparisons.filter(system_id="model/realign", baseline_id="model/raw").row(0, named=True)
    assert gain["delta"] == pytest.approx(value(results, "realign")["value"] - value(results, "raw")["value"])
    assert gain["p"] < 0.05


def test_joint_pca_is_scored_at_shares_of_the_width(results: Path):
    systems = read_table(results, "systems").filter(adaptation="pca", fit_on="joint")
    assert dict(systems.select("system_id", "rank").rows()) == {
        "model/pca-joint": None,
        "model/pca-joint-r2": WIDTH // 8,
        "model/pca-joint-r4": WIDTH // 4,
        "model/pca-joint-r8": WIDTH // 2,
    }
    assert systems["label"][1] == "PCA whitening, joint statistics, rank 2"
    assert not systems["named"].any()
    scores = [value(results, f"pca-joint-r{rank}", "i2i", "mrr")["value"] for rank in (2, 4, 8)]
    assert scores == sorted(set(scores))


def test_what_was_fitted_is_named(results: Path):
    systems = read_table(results, "systems")
    fitted = systems.filter(~pl.col("adaptation").is_in(["identity", "removal"]))
    assert fitted["fit_on"].null_count() == 0
    assert systems.filter(fit_on="test_queries")["system_id"].str.contains("transductive").all()
    assert systems.filter(selection="energy_matched")["label"].str.contains(r"\d+% the energy").all()
    removed = systems.filter(adaptation="removal")
    told = removed["label"].str.extract(r"(\d+)% the energy").cast(pl.Float64) / 100
    assert told.drop_nulls().to_list() == pytest.approx(removed.filter(told.is_not_null())["energy_ratio"], abs=0.005)
    assert removed.filter(selection="attribution")["energy_ratio"].to_list() == [1.0]
    assert set(removed.filter(pl.col("energy_ratio").is_null())["selection"]) == {
        "principal_components",
        "random_subspace",
        "single",
    }
    assert systems.filter(selection="attribution")["rank"].to_list() == [int(np.ceil(0.05 * N_FEATURES))]


def test_without_an_sae_nothing_is_removed_and_the_rest_is_equal(study: Study, results: Path, tmp_path):
    bare = run(study, tmp_path / "bare", with_sae=False)
    assert read_table(bare, "removal_effects").is_empty()
    kept = set(read_table(bare, "systems")["system_id"])
    assert not any("removal-" in system for system in kept if "mean_removal" not in system)
    whole = read_table(results, "retrieval_ranks").filter(pl.col("system_id").is_in(kept))
    assert_frame_equal(read_table(bare, "retrieval_ranks"), whole)


def test_saved_adaptations_reproduce_the_scores_of_every_named_system(study: Study, results: Path):
    sides = load_maps(results / "adaptations" / "t2i.safetensors")
    systems = read_table(results, "systems").filter(
        pl.col("named"), pl.col("control") == "none", pl.col("adaptation") != "identity"
    )
    shorts = systems["system_id"].str.strip_prefix("model/").to_list()
    assert set(sides) == {f"{short}/{side}" for short in shorts for side in ("queries", "candidates")}
    embeddings = dict(read_table(study.activations, "embeddings")["sample_id", "vector"].iter_rows())
    for short in shorts:
        hits = read_table(results, "retrieval_hits").filter(system_id=f"model/{short}", task_id="t2i").head(20)
        queries, candidates = (
            sides[f"{short}/{side}"].apply(np.array([embeddings[sample] for sample in samples], dtype=np.float32))
            for side, samples in (("queries", "text:" + hits["query_id"]), ("candidates", hits["sample_id"]))
        )
        cosines = np.einsum("nd,nd->n", queries, candidates)
        assert np.allclose(cosines, hits["score"], atol=1e-5), short


def test_trec_files_hold_the_hits(results: Path):
    run_file = ir_measures.read_trec_run(str(results / "trec" / "i2i.realign.run"))
    hits = read_table(results, "retrieval_hits").filter(system_id="model/realign", task_id="i2i")
    assert [(hit.query_id, hit.doc_id) for hit in run_file] == hits.select("query_id", "sample_id").rows()
    qrels = ir_measures.read_trec_qrels(str(results / "trec" / "i2i.qrels"))
    relevant = hits.filter("relevant").select("query_id", "sample_id").rows()
    assert set(relevant) <= {(judged.query_id, judged.doc_id) for judged in qrels}


def test_too_small_a_support_split_is_refused_in_one_line(tmp_path):
    small = write_study(tmp_path / "in", {"support": 1, "validation": 6, "test": 6}, WIDTH, N_FEATURES)
    with pytest.raises(DataError, match="task i2i has 1 support queries, too few to fit statistics on"):
        run(small, tmp_path / "out")


def test_a_task_without_answers_is_refused_in_one_line(tmp_path):
    unanswered = write_study(tmp_path / "in", SPLITS, WIDTH, N_FEATURES)
    qrels = read_table(unanswered.dataset, "qrels")
    answered = qrels.filter(~pl.col("query_id").str.starts_with("validation"))
    write_table(unanswered.dataset, "qrels", answered)
    with pytest.raises(DataError, match="no query of task i2i in the split validation has a relevant candidate"):
        run(unanswered, tmp_path / "out")


def test_the_denominator_of_all_queries_counts_those_without_an_answer_as_misses(study: Study, results: Path, tmp_path):
    """A hit rate over all is the number of hits, which both have, divided by the queries that were there."""
    dataset = shutil.copytree(study.dataset, tmp_path / "dataset")
    unasked = 30
    tasks = read_table(dataset, "tasks").with_columns(unanswered=pl.lit(unasked))
    write_table(dataset, "tasks", tasks)
    qrels = read_table(dataset, "qrels")
    lost = qrels.filter(task_id="t2i", query_id="test0007")
    write_table(dataset, "qrels", qrels.join(lost, on=["task_id", "query_id", "sample_id"], how="anti"))
    found = {}
    for denominator in ("judged", "all"):
        (folder := tmp_path / denominator).mkdir()
        scoring = SCORING.model_copy(update={"denominator": denominator})
        bench = replace(study, dataset=dataset, saes=()).bench(folder, scoring, ADAPTATIONS)
        evaluate(bench, SETTINGS)
        found[denominator] = folder
    judged, of_all = (value(folder, "realign") for folder in found.values())
    n = SPLITS["test"]
    assert (judged["n_queries"], of_all["n_queries"]) == (n - 1, n + unasked)
    ranks = read_table(found["all"], "retrieval_ranks").filter(system_id="model/realign", task_id="t2i", split="test")
    assert of_all["value"] == pytest.approx((ranks["first_relevant_rank"] <= 5).sum() / (n + unasked))
    for name in ("value", "low", "high", "chance"):
        assert of_all[name] == pytest.approx(judged[name] * (n - 1) / (n + unasked))
    of_validation = [
        read_table(folder, "retrieval_metrics").filter(split="validation")["value"] for folder in found.values()
    ]
    assert of_validation[0].equals(of_validation[1])
    deltas = [read_table(folder, "comparisons").filter(task_id="t2i") for folder in found.values()]
    np.testing.assert_allclose(deltas[1]["delta"], deltas[0]["delta"] * (n - 1) / (n + unasked))
    assert deltas[0]["p"].equals(deltas[1]["p"])
