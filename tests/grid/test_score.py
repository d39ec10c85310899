from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import stats

from pipeline_core.activations.spilled import Room
from pipeline_core.activations.vectors import load_embeddings, representations
from pipeline_core.grid.score import score_grid
from pipeline_core.grid.settings import GridSettings
from pipeline_core.grid.systems import MASK_LABELS, list_grid
from pipeline_core.retrieval import layer_average
from pipeline_core.retrieval.adaptations import Scope, System, adaptation_settings
from pipeline_core.retrieval.fitting import SpectrumCache, TaskVectors, fit
from pipeline_core.retrieval.layer_average import LayerAverages
from pipeline_core.retrieval.maps import load_maps, unit
from pipeline_core.retrieval.matched import Matched, train_pairs
from pipeline_core.retrieval.problems import Problem, problems
from pipeline_core.retrieval.search import search
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.schema import tables_of
from pipeline_core.schema.parquet import read_table, write_table
from tests.limits import write_limits
from tests.retrieval.synthetic import SPLITS, WIDTH, Study, write_sweep_study

SCORING = ScoringSettings(bootstrap=50, permutations=200, ks=(1, 5))
ADAPTATIONS = adaptation_settings()()
SETTINGS = GridSettings(betas=(0.0, 0.3, 1.0), pca_ranks=(4, 8, 512))
FEW = {"raw", "mean_removal-support", "realign-candidates", "realign-support"}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return write_sweep_study(tmp_path_factory.mktemp("sweep_study"))


def run(study: Study, folder: Path) -> tuple[Path, list[tuple[int, int]]]:
    folder.mkdir()
    seen: list[tuple[int, int]] = []
    score_grid(study.bench(folder, SCORING, ADAPTATIONS, lambda *done: seen.append(done)), SETTINGS)
    return folder, seen


@pytest.fixture(scope="module")
def results(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(study, tmp_path_factory.mktemp("swept") / "grid")[0]


def listed(study: Study) -> list[System]:
    return list(list_grid(representations(study.activations), "last", Scope(WIDTH, ADAPTATIONS), SETTINGS).all)


def scores(results: Path, metric: str = "mrr", k: int = 5) -> dict[tuple[str, str], float]:
    """The value of each (short id, task) on the test split."""
    rows = read_table(results, "retrieval_metrics").filter(split="test", metric=metric, k=k)
    return {(s.removeprefix("model/"), t): v for s, t, v in rows["system_id", "task_id", "value"].iter_rows()}


def ranks(results: Path, system: System, task: str, split: str) -> list[int]:
    rows = read_table(results, "retrieval_ranks").filter(system_id=f"model/{system.short}", task_id=task, split=split)
    return rows.sort("query_id")["first_relevant_rank"].to_list()


def task_vectors(study: Study, rep_id: str, problem: Problem) -> TaskVectors:
    embeddings = load_embeddings(study.activations, rep_id)
    matched = Matched(embeddings, train_pairs(study.dataset), SCORING.seed)
    spectra = SpectrumCache(embeddings, matched=matched)
    return TaskVectors(embeddings, problem.pools, problem.candidate_prompt_id, spectra)


def test_all_tables_are_written_and_equal_when_run_again(study: Study, results: Path, tmp_path: Path):
    again, seen = run(study, tmp_path / "again")
    assert seen == [(n, 58) for n in range(1, 59)]
    for table in tables_of("grid"):
        frame = read_table(results, table.name)
        assert frame.height > 0
        assert frame.select(table.key).is_unique().all(), table.name
        assert_frame_equal(frame, read_table(again, table.name))


def test_every_layer_pooling_and_mask_is_scored_with_four_adaptations(results: Path):
    systems = read_table(results, "systems").with_columns(short=pl.col("system_id").str.strip_prefix("model/"))
    places = {"layers": {f"L{n}" for n in range(5)}}
    places["poolings"] = {
        f"{pooling}-{mask}"
        for pooling in ("mean", "last", "max", "min")
        for mask in ("all", "no_image", "no_prompt", "content")
    }
    places["masks"] = {
        f"{mask}-{side}" for mask in ("no_image", "no_prompt", "content") for side in ("queries", "candidates")
    }
    places["masks"] |= {f"no_words-{side}" for side in ("queries", "candidates", "both")}
    for name, expected in places.items():
        assert set(systems.filter(study=name)["short"]) == {f"{p}/{few}" for p in expected for few in FEW}
    assert not systems["named"].any()
    assert dict(systems.filter(short="last-no_image/raw")["short", "label"].iter_rows()) == {
        "last-no_image/raw": "last pooling, without image tokens, raw"
    }
    at = dict(systems.filter(study="poolings").select("short", pl.col("rep_ids").list.first()).iter_rows())
    assert at["mean-all/raw"] == "last"
    assert at["max-content/realign-support"] == "L4/max/content"
    masked = systems.filter(study="masks", adaptation="identity")
    assert {
        name: tuple(row) for name, *row in masked.select("short", "mask", "side", "rep_ids", "label").iter_rows()
    } == {
        f"{mask}-{side}/raw": (mask, side, [rep], f"{words} {MASK_LABELS[mask]}, raw")
        for mask, rep in [(mask, f"L4/mean/{mask}") for mask in ("no_image", "no_prompt", "content")]
        + [("no_words", "last")]
        for side, words in (("queries", "queries"), ("candidates", "candidates"), ("both", "both sides"))
        if side != "both" or mask == "no_words"
    }
    assert set(systems.filter(study="poolings")["side"]) == {"both"}


def test_every_adaptation_names_its_statistics_and_settings(results: Path):
    systems = read_table(results, "systems").filter(study="adaptations")
    ids = set(systems["system_id"].str.strip_prefix("model/adaptations/"))
    every, separate = ("candidates", "support", "joint"), ("candidates", "support")
    betas = ("0", "0.1", "0.3", "1")
    expected = {"raw", "pca-r4-joint", "pca-r8-joint", "trained_head-train"}
    expected |= {f"{name}-{on}" for name in ("mean_removal", "zca", "pca", "ledoit_wolf", "oas") for on in every}
    expected |= {f"shared_pca{rank}-{on}" for rank in ("", "-r4", "-r8") for on in separate}
    expected |= {f"realign-b{beta}-{on}" for beta in betas for on in every}
    expected |= {f"realign-code-b{beta}-{on}" for beta in betas for on in ("support", "transductive")}
    expected |= {
        f"{name}-b{beta}-{on}" for name in ("transport", "layer_average") for beta in ("0.1", "0.5") for on in separate
    }
    assert ids == expected
    assert systems.filter(adaptation="identity").height == 1
    assert systems.filter(pl.col("fit_on").is_null())["adaptation"].to_list() == ["identity"]
    transductive = systems.filter(fit_on="test_queries")
    assert transductive["system_id"].str.contains("transductive").all()
    assert transductive["label"].str.contains("transductive").all()
    average = systems.filter(pl.col("rep_ids").list.len() > 1)
    assert average["rep_ids"].to_list() == [["L3/mean/all", "last"]] * 4
    assert average["variant"].null_count() == 4
    assert systems["label"].is_unique().all()


@pytest.mark.slow
def test_each_system_ranks_as_when_fitted_alone(study: Study, results: Path):
    """Betas share one decomposition, tasks share spectra and layers are added up; none of it may change a rank."""
    alone = [system for system in listed(study) if system.study == "adaptations" or system.short.startswith("L1/")]
    for problem in problems(study.dataset, SCORING.ks):
        if problem.control != "none":
            continue
        for system in alone:
            vectors = [task_vectors(study, rep_id, problem) for rep_id in system.rep_ids]
            for split in ("validation", "test"):
                pool = problem.pools[split]
                adapted = [
                    [
                        side.apply(own.of(split, name))
                        for side, name in zip(sides, ("queries", "candidates"), strict=True)
                    ]
                    for own in vectors
                    for sides in [fit(system, own, split)]
                ]
                queries, candidates = (unit(np.concatenate(parts, axis=1)) for parts in zip(*adapted, strict=True))
                found = search(queries, candidates, pool.relevant, pool.excluded, 1).first_relevant_rank[pool.judged]
                assert ranks(results, system, problem.task_id, split) == found.tolist(), system.short


def test_realign_of_a_layer_is_the_papers_equation(study: Study, results: Path):
    """A second implementation, from the table to the rank: numpy, float64, one query at a time."""
    embeddings = read_table(study.activations, "embeddings").filter(rep_id="L2/mean/all")
    vector = {s: np.array(v) for s, v in embeddings["sample_id", "vector"].iter_rows()}

    def whitened(fitted: list[np.ndarray], rows: list[np.ndarray]) -> np.ndarray:
        mean, covariance = np.mean(fitted, axis=0), np.cov(np.array(fitted), rowvar=False)
        shrunk = 0.9 * covariance + 0.1 * np.trace(covariance) / WIDTH * np.eye(WIDTH)
        values, columns = np.linalg.eigh(shrunk)
        e = (np.array(rows) - mean) @ columns @ np.diag((values + 1e-5) ** -0.5) @ columns.T
        return e / np.linalg.norm(e, axis=1, keepdims=True)

    ids = {split: sorted(s.removeprefix("text:") for s in vector if s.startswith(f"text:{split}")) for split in SPLITS}
    queries = whitened([vector[f"text:{n}"] for n in ids["support"]], [vector[f"text:{n}"] for n in ids["test"]])
    pool = [vector[f"image:{n}"] for n in ids["test"]]
    cosines = queries @ whitened(pool, pool).T
    expected = [1 + int((row > row[n]).sum()) for n, row in enumerate(cosines)]
    (system,) = (s for s in listed(study) if s.short == "L2/realign-candidates")
    assert ranks(results, system, "t2i", "test") == expected


@pytest.mark.parametrize("side", ["queries", "candidates"])
def test_one_side_alone_is_masked(study: Study, results: Path, side: str):
    """Each side's statistics and vectors are those of its own representation."""
    problem = problems(study.dataset, SCORING.ks)[-2]
    pool = problem.pools["test"]
    masked, whole = (task_vectors(study, rep_id, problem) for rep_id in ("L4/mean/content", "last"))
    by_side = {name: masked if name == side else whole for name in ("queries", "candidates")}
    for few in FEW:
        (system,) = (s for s in listed(study) if s.short == f"content-{side}/{few}")
        queries, candidates = (
            fit(system, by_side[name], "test")[place].apply(by_side[name].of("test", name))
            for place, name in enumerate(("queries", "candidates"))
        )
        found = search(queries, candidates, pool.relevant, pool.excluded, 1).first_relevant_rank[pool.judged]
        assert ranks(results, system, problem.task_id, "test") == found.tolist(), system.short


def test_scores_follow_what_was_planted(results: Path):
    value = scores(results)
    for adaptation in ("realign-support", "mean_removal-support"):
        by_layer = [value[f"L{layer}/{adaptation}", "t2i"] for layer in range(5)]
        assert by_layer[4] == max(by_layer)
        assert by_layer[4] > by_layer[0] + 0.2
        assert value[f"mean-no_prompt/{adaptation}", "t2i"] > value[f"max-no_prompt/{adaptation}", "t2i"]
        assert value[f"mean-content/{adaptation}", "t2i"] > value[f"mean-no_prompt/{adaptation}", "t2i"]


def test_what_is_scored_in_several_studies_scores_alike(results: Path):
    value = scores(results)
    for task in ("t2i", "i2i"):
        for few in FEW:
            assert value[f"L4/{few}", task] == value[f"mean-all/{few}", task]
        for short, same in (
            ("L4/raw", "raw"),
            ("L4/realign-support", "realign-b0.1-support"),
            ("L4/realign-candidates", "realign-b0.1-candidates"),
            ("adaptations/zca-joint", "realign-b0-joint"),
            ("adaptations/pca-joint", "zca-joint"),
            ("adaptations/mean_removal-joint", "realign-b1-joint"),
        ):
            assert value[short, task] == pytest.approx(value[f"adaptations/{same}", task], abs=1e-12), short


def test_comparisons_hold_like_against_like(results: Path):
    tests = read_table(results, "comparisons")
    assert set(tests["task_id"]) == {"t2i", "i2i"}
    pairs = {
        (system.removeprefix("model/"), baseline.removeprefix("model/"))
        for system, baseline in tests["system_id", "baseline_id"].iter_rows()
    }
    layers = {(f"L{n}/{few}", f"L4/{few}") for n in range(4) for few in FEW}
    poolings = {(f"mean-all/{few}", f"{pooling}-all/{few}") for pooling in ("last", "max", "min") for few in FEW}
    masks = {
        (f"{mask}-{side}/{few}", f"mean-all/{few}")
        for mask in ("no_image", "no_prompt", "content", "no_words")
        for side in ("queries", "candidates", "both")
        for few in FEW
        if side != "both" or mask == "no_words"
    }
    masks |= {(f"mean-{mask}/{few}", f"mean-all/{few}") for mask in ("no_image", "no_prompt", "content") for few in FEW}
    assert {pair for pair in pairs if not pair[0].startswith("adaptations")} == layers | poolings | masks
    adaptations = {(s.split("/")[1], b.split("/")[1]) for s, b in pairs if s.startswith("adaptations")}
    systems = read_table(results, "systems").filter(study="adaptations")
    assert sum(b == "raw" for _, b in adaptations) == systems.height - 1
    rivals = {name: {b for s, b in adaptations if s == name and b != "raw"} for name, _ in adaptations}
    separate = ("zca", "mean_removal", "ledoit_wolf", "oas", "transport-b0.1", "transport-b0.5")
    separate += ("layer_average-b0.1", "layer_average-b0.5", "shared_pca", "shared_pca-r4", "shared_pca-r8")
    assert {name: found for name, found in rivals.items() if found} == {
        "realign-b0.1-candidates": {f"{rival}-candidates" for rival in separate} | {"trained_head-train"},
        "realign-b0.1-support": {f"{rival}-support" for rival in separate} | {"trained_head-train"},
        "realign-b0.1-joint": {
            f"{rival}-joint" for rival in ("zca", "mean_removal", "pca", "pca-r4", "pca-r8", "ledoit_wolf", "oas")
        },
    }


def test_comparisons_are_differences_and_one_family(results: Path):
    tests, value = read_table(results, "comparisons"), scores(results, "hit_rate")
    for row in tests.iter_rows(named=True):
        system, baseline = (row[name].removeprefix("model/") for name in ("system_id", "baseline_id"))
        assert row["delta"] == pytest.approx(value[system, row["task_id"]] - value[baseline, row["task_id"]])
    assert np.allclose(tests["q"], stats.false_discovery_control(tests["p"].to_numpy()))


def test_lists_are_scored_for_adaptations_alone_and_controls_not_at_all(results: Path):
    metrics = read_table(results, "retrieval_metrics")
    with_lists = set(metrics.filter(pl.col("metric").is_in(["recall", "ndcg"]))["system_id"])
    systems = read_table(results, "systems")
    assert with_lists == set(systems.filter(study="adaptations")["system_id"])
    for metric in ("hit_rate", "mrr"):
        assert set(metrics.filter(metric=metric)["system_id"]) == set(systems["system_id"])
    assert set(metrics["split"]) == {"validation", "test"}
    for name in ("retrieval_metrics", "retrieval_ranks"):
        assert set(read_table(results, name)["task_id"]) == {"t2i", "i2i"}


def test_averages_of_layers_that_find_no_room_are_kept_on_the_disk(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(layer_average, "BLOCK", 7)
    combined = [system for system in listed(study) if len(system.rep_ids) > 1]
    tasks = problems(study.dataset, SCORING.ks)[:2]
    held, kept = LayerAverages(combined, tasks, None), LayerAverages(combined, tasks, Room(1000, tmp_path))
    for rep_id in combined[0].rep_ids:
        for task in tasks:
            for averages in (held, kept):
                averages.add(rep_id, task_vectors(study, rep_id, task), task.pools["test"])
    for task in tasks:
        one, other = (averages.results("model", task.pools["test"], 5) for averages in (held, kept))
        assert one.keys() == other.keys() and len(one) == len(combined)
        for name, found in one.items():
            np.testing.assert_array_equal(found.candidates, other[name].candidates)
            np.testing.assert_array_equal(found.scores, other[name].scores)


def test_saved_adaptations_rank_as_scored(study: Study, results: Path):
    rivals = [
        s for s in listed(study) if s.study == "adaptations" and len(s.rep_ids) == 1 and s.adaptation != "identity"
    ]
    for problem in problems(study.dataset, SCORING.ks)[:2]:
        saved = load_maps(results / "adaptations" / f"{problem.task_id}.safetensors")
        assert set(saved) == {f"{s.short}/{side}" for s in rivals for side in ("queries", "candidates")}
        vectors, pool = task_vectors(study, "last", problem), problem.pools["test"]
        for system in rivals:
            queries, candidates = (
                saved[f"{system.short}/{side}"].apply(vectors.of("test", side)) for side in ("queries", "candidates")
            )
            found = search(queries, candidates, pool.relevant, pool.excluded, 1).first_relevant_rank[pool.judged]
            assert ranks(results, system, problem.task_id, "test") == found.tolist(), system.short


def test_a_dual_encoder_has_adaptations_alone(study: Study, tmp_path: Path):
    activations = tmp_path / "activations"
    activations.mkdir()
    (activations / "embeddings").mkdir()
    (activations / "embeddings" / "00000.parquet").symlink_to(study.activations / "embeddings" / "00000.parquet")
    only = representations(study.activations).filter(rep_id="last")
    dual = {"layer": pl.lit(-1, pl.Int32), "pooling": pl.lit("model"), "norm_position": pl.lit("model")}
    write_table(activations, "representations", only.with_columns(**dual))
    write_limits(activations)
    swept, seen = run(Study(study.dataset, activations, ()), tmp_path / "swept")
    assert seen == [(1, 2), (2, 2)]
    systems = read_table(swept, "systems")
    assert set(systems["study"]) == {"adaptations"}
    assert not systems["system_id"].str.contains("layer_average").any()
    assert set(systems["rep_ids"].list.first()) == {"last"}
