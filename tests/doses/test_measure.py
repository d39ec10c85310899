from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from safetensors.numpy import save_file
from scipy import sparse

from pipeline_core.contracts.validation import validate_artifact
from pipeline_core.doses.measure import measure_doses
from pipeline_core.doses.plan import DosePlan, plan_doses
from pipeline_core.doses.settings import DoseSettings
from pipeline_core.features.attribution import attribution
from pipeline_core.features.bridge import bridge_blocks, reduce_bridge
from pipeline_core.features.statistics import energies, ranks
from pipeline_core.retrieval.adaptations import adaptation_settings
from pipeline_core.retrieval.maps import load_maps
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.retrieval.subspaces import subspace
from pipeline_core.sae.artifact import load_dictionary
from pipeline_core.schema import tables_of
from pipeline_core.schema.parquet import read_table, write_table
from tests.retrieval.synthetic import SPLITS, Study, write_study

WIDTH, N_FEATURES = 32, 96
DISTRACTORS = (40, 7)
"""The planted features: large in every sample, by an amount that says nothing about its meaning."""

SHARE = 0.1
SCORING = ScoringSettings(bootstrap=200, permutations=2000)
DOSES = DoseSettings(
    shares=(0.02, 0.1, 0.2, 0.5), ranks=(1, 4, 16), cumulative_features=4, single_features=3, random_draws=2
)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study whose texts share a sparse code with their picture, but for the codes of the distractors."""
    study = write_study(tmp_path_factory.mktemp("planted"), SPLITS, WIDTH, N_FEATURES)
    rng = np.random.default_rng(3)
    dictionary = rng.standard_normal((N_FEATURES, WIDTH))
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    samples = read_table(study.dataset, "samples").sort("sample_id")
    images, texts = (samples.filter(modality=modality) for modality in ("image", "text"))
    meaning = rng.exponential(size=(images.height, N_FEATURES)) * (rng.random((images.height, N_FEATURES)) < 0.06)
    codes = {}
    for modality in ("image", "text"):
        codes[modality] = meaning + 0.1 * rng.exponential(size=meaning.shape)
        codes[modality][:, DISTRACTORS] = rng.uniform(2.0, 12.0, size=(len(meaning), len(DISTRACTORS)))
    _write_embeddings(study, {"image": images, "text": texts}, codes, dictionary)
    _write_sae(study, {name: sparse.csr_matrix(own) for name, own in codes.items()}, dictionary)
    return study


def _write_embeddings(
    study: Study, samples: dict[str, pl.DataFrame], codes: dict[str, np.ndarray], dictionary: np.ndarray
) -> None:
    frames = [
        pl.DataFrame(
            {
                "rep_id": "last",
                "sample_id": samples[modality]["sample_id"],
                "prompt_id": modality,
                "n_tokens": 4,
                "vector": (codes[modality] @ dictionary).tolist(),
            }
        )
        for modality in ("image", "text")
    ]
    write_table(study.activations, "embeddings", pl.concat(frames), shard=0)


def _write_sae(study: Study, codes: dict[str, sparse.csr_matrix], dictionary: np.ndarray) -> None:
    sae = study.saes[0]
    save_file({"W_dec": dictionary.astype(np.float32)}, sae.sae / "sae_weights.safetensors")
    pair = codes["image"], codes["text"]
    energy, attributed = energies(*pair).energy, attribution(*pair, dictionary)
    features = read_table(sae.features, "features").sort("feature_id")
    measured = features.with_columns(
        energy=energy,
        energy_rank=ranks(energy),
        bridge_abs=reduce_bridge(bridge_blocks(*pair, dictionary), 1)[0].absolute,
        attribution=attributed,
        attribution_rank=ranks(attributed),
    )
    write_table(sae.features, "features", measured)


def run(study: Study, folder: Path, doses: DoseSettings = DOSES, share: float = SHARE) -> Path:
    folder.mkdir()
    measure_doses(study.bench(folder, SCORING, adaptation_settings()(removal={"share": share})), doses)
    return folder


@pytest.fixture(scope="module")
def results(planted: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(planted, tmp_path_factory.mktemp("results") / "doses")


@pytest.fixture(scope="module")
def plan(planted: Study) -> DosePlan:
    return planned(planted)


def planned(study: Study, doses: DoseSettings = DOSES, share: float = SHARE, seed: int = 0) -> DosePlan:
    return plan_doses(study.saes[0].read(), doses, share, seed)


def bases(plan: DosePlan) -> dict[str, np.ndarray]:
    """What systems project out, by their short id; those that are fitted to each task have no entry."""
    return {system.short: system.basis for system in plan.systems if system.basis is not None}


def effects(results: Path, task: str = "t2i") -> dict[str, dict]:
    """Effects of sets on a task, by the system's id below its SAE."""
    rows = read_table(results, "removal_effects").filter(pl.col("feature_id").is_null(), task_id=task)
    return {row["system_id"].removeprefix("model/removal/paper/"): row for row in rows.iter_rows(named=True)}


def hit_rates(results: Path, task: str = "t2i") -> dict[str, float]:
    rows = read_table(results, "retrieval_metrics").filter(metric="hit_rate", k=5, split="test", task_id=task)
    return dict(rows.select("system_id", "value").iter_rows())


def system(plan: DosePlan, ending: str):
    (found,) = (system for system in plan.systems if system.short == f"removal/paper/{ending}")
    return found


def projection(plan: DosePlan, ending: str) -> np.ndarray:
    basis = bases(plan)[f"removal/paper/{ending}"].astype(np.float64)
    return basis @ basis.T


def test_a_planted_distractor_is_found_and_its_removal_raises_the_hit_rate(results: Path):
    singles = read_table(results, "removal_effects").filter(selection="single", task_id="t2i")
    assert set(DISTRACTORS) < set(singles["feature_id"])
    of = effects(results)
    for removal in ("share0.02/attribution", "cumulative2/attribution", "share0.02/energy"):
        assert of[removal]["delta"] > 0.3, removal
        assert of[removal]["q"] < 0.05, removal
    for removal, effect in of.items():
        if removal.startswith("cumulative2/random") or "random_subspace" in removal.removeprefix("share0.02/"):
            assert effect["delta"] < 0.1, removal


def test_attribution_is_held_against_every_control_at_each_share(results: Path):
    tests = read_table(results, "comparisons").filter(task_id="t2i")
    assert set(tests["system_id"]) == {f"model/removal/paper/share{share}/attribution" for share in (0.02, 0.1, 0.2)}
    hits = hit_rates(results)
    for row in tests.iter_rows(named=True):
        assert row["delta"] == pytest.approx(hits[row["system_id"]] - hits[row["baseline_id"]])
    baselines = {
        baseline.removeprefix("model/removal/paper/")
        for baseline in tests.filter(pl.col("system_id").str.contains("share0.02"))["baseline_id"]
    }
    drawn = [f"{name}-draw{n}" for name in ("energy_matched", "random_features", "random_subspace") for n in (0, 1)]
    controls = ["energy", "bridge", "principal_components", *drawn]
    assert baselines == {"mean", "mean_each_side", *(f"share0.02/{control}" for control in controls)}
    beaten = tests.filter(pl.col("baseline_id").str.contains(r"share0.02/random_subspace"))
    assert (beaten["delta"] > 0.3).all()
    assert (beaten["q"] < 0.05).all()


def test_effects_are_differences_of_the_metrics_to_raw(results: Path):
    hits, of = hit_rates(results), effects(results)
    assert len(of) == len(hits) - 1
    for removal, effect in of.items():
        after = hits[f"model/removal/paper/{removal}"]
        assert effect["delta"] == pytest.approx(after - hits["model/removal/raw"])
    assert (read_table(results, "removal_effects")["q"] >= read_table(results, "removal_effects")["p"] - 1e-12).all()


def test_the_first_feature_alone_is_the_first_of_the_cumulation(results: Path, plan: DosePlan):
    singles = read_table(results, "removal_effects").filter(selection="single", task_id="t2i")
    first = next(iter(plan.singles.bases))
    alone = singles.filter(feature_id=first).row(0, named=True)
    together = effects(results)["cumulative1/attribution"]
    for column in ("delta", "low", "high", "p"):
        assert alone[column] == pytest.approx(together[column])


def test_ranks_agree_with_least_squares_and_a_full_sort(planted: Study, results: Path):
    sae = planted.saes[0]
    ranked = read_table(sae.features, "features").sort("attribution_rank")["feature_id"].to_numpy()
    rows = load_dictionary(sae.sae)[ranked[:10]].astype(np.float64)
    vectors = read_table(planted.activations, "embeddings").sort("sample_id")
    of_split = vectors.filter(pl.col("sample_id").str.contains("test"))
    sides = []
    for modality in ("text", "image"):
        own = np.array(of_split.filter(prompt_id=modality)["vector"].to_list(), dtype=np.float64)
        left = own - np.linalg.lstsq(rows.T, own.T, rcond=None)[0].T @ rows
        sides.append(left / np.linalg.norm(left, axis=1, keepdims=True))
    scores = sides[0] @ sides[1].T
    expected = 1 + (scores > np.diag(scores)[:, None]).sum(axis=1)
    found = read_table(results, "retrieval_ranks").filter(
        system_id="model/removal/paper/share0.1/attribution", task_id="t2i", split="test"
    )
    assert found.sort("query_id")["first_relevant_rank"].to_list() == expected.tolist()


def test_mean_removal_centres_on_both_sides_of_support(planted: Study, results: Path):
    vectors = read_table(planted.activations, "embeddings").sort("sample_id")
    support = vectors.filter(pl.col("sample_id").str.contains("support"))
    mean = np.array(support["vector"].to_list(), dtype=np.float64).mean(axis=0)
    sides = []
    for modality in ("text", "image"):
        own = vectors.filter(pl.col("sample_id").str.contains("test"), prompt_id=modality)
        left = np.array(own["vector"].to_list(), dtype=np.float64) - mean
        sides.append(left / np.linalg.norm(left, axis=1, keepdims=True))
    scores = sides[0] @ sides[1].T
    hits = 1 + (scores > np.diag(scores)[:, None]).sum(axis=1) <= 5
    assert hit_rates(results)["model/removal/paper/mean"] == pytest.approx(hits.mean())


def test_removing_each_sides_own_mean_is_another_control(planted: Study, results: Path):
    vectors = read_table(planted.activations, "embeddings").sort("sample_id")
    sides = []
    for modality in ("text", "image"):
        own = vectors.filter(prompt_id=modality)
        support, test = (
            np.array(own.filter(pl.col("sample_id").str.contains(split))["vector"].to_list(), dtype=np.float64)
            for split in ("support", "test")
        )
        left = test - support.mean(axis=0)
        sides.append(left / np.linalg.norm(left, axis=1, keepdims=True))
    scores = sides[0] @ sides[1].T
    hits = 1 + (scores > np.diag(scores)[:, None]).sum(axis=1) <= 5
    assert hit_rates(results)["model/removal/paper/mean_each_side"] == pytest.approx(hits.mean())


def test_projections_are_saved_and_remove_what_was_removed(plan: DosePlan, results: Path):
    saved = load_maps(results / "adaptations" / "paper.safetensors")
    assert set(saved) == set(bases(plan))
    for short, basis in bases(plan).items():
        left = saved[short].apply(basis.T + 1.0)
        assert np.abs(left @ basis).max() < 1e-4


def test_a_share_is_removed_with_its_full_rank_and_controls_with_as_much(plan: DosePlan):
    for share, n_features in ((0.02, 2), (0.1, 10), (0.2, 20)):
        at_share = [s for s in plan.systems if s.short.startswith(f"removal/paper/share{share:g}/")]
        assert {s.rank for s in at_share} == {n_features}
        assert {s.share for s in at_share} == {share}
        assert len(at_share) == 4 + 3 * DOSES.random_draws
    for basis in bases(plan).values():
        np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-5)


def test_the_sweep_of_ranks_grows_into_the_share(planted: Study, plan: DosePlan):
    assert {s.rank for s in plan.systems if "/rank" in s.short} == {1, 4}, "16 is above the full rank of 10"
    for selection in ("attribution", "energy", "bridge", "random_subspace-draw0"):
        one, four, whole = (projection(plan, f"{dose}/{selection}") for dose in ("rank1", "rank4", "share0.1"))
        np.testing.assert_allclose(four @ one, one, atol=1e-5)
        np.testing.assert_allclose(whole @ four, four, atol=1e-5)
        assert np.trace(four) == pytest.approx(4.0, abs=1e-4)
    dictionary = load_dictionary(planted.saes[0].sae)
    top = list(planned(planted, DOSES.model_copy(update={"single_features": 10})).singles.bases)
    full = subspace(dictionary[top]).astype(np.float64)
    np.testing.assert_allclose(projection(plan, "share0.1/attribution"), full @ full.T, atol=1e-5)
    leading = np.linalg.svd(dictionary[top].astype(np.float64))[2][:4]
    np.testing.assert_allclose(projection(plan, "rank4/attribution"), leading.T @ leading, atol=1e-5)


def test_random_subspaces_are_nested_and_draws_differ(plan: DosePlan):
    smaller, larger = (projection(plan, f"share{share}/random_subspace-draw1") for share in (0.02, 0.2))
    np.testing.assert_allclose(larger @ smaller, smaller, atol=1e-5)
    for selection in ("random_subspace", "random_features", "energy_matched"):
        draws = [projection(plan, f"share0.1/{selection}-draw{n}") for n in (0, 1)]
        assert np.abs(draws[0] - draws[1]).max() > 0.01, selection


def test_cumulative_removals_are_nested_and_of_the_named_features(planted: Study, plan: DosePlan):
    dictionary = load_dictionary(planted.saes[0].sae).astype(np.float64)
    top = list(plan.singles.bases)
    for count in range(1, 4):
        removed = projection(plan, f"cumulative{count}/attribution")
        np.testing.assert_allclose(dictionary[top[:count]] @ removed, dictionary[top[:count]], atol=1e-5)
        assert system(plan, f"cumulative{count}/attribution").n_features == count
        for selection in ("attribution", "energy", "random_features-draw1"):
            inner, outer = (projection(plan, f"cumulative{n}/{selection}") for n in (count, count + 1))
            np.testing.assert_allclose(outer @ inner, inner, atol=1e-5)


def test_bridge_and_energy_take_the_top_of_their_own_ranking(planted: Study, plan: DosePlan):
    sae = planted.saes[0]
    features, dictionary = read_table(sae.features, "features"), load_dictionary(sae.sae).astype(np.float64)
    for selection, score in (("bridge", "bridge_abs"), ("energy", "energy"), ("attribution", "attribution")):
        top = features.sort(score, descending=True)["feature_id"][:10].to_numpy()
        removed = projection(plan, f"share0.1/{selection}")
        np.testing.assert_allclose(dictionary[top] @ removed, dictionary[top], atol=1e-4)


def test_rows_say_what_was_removed(results: Path):
    rows = read_table(results, "systems")
    assert set(rows["study"]) == {"removal"}
    assert not rows["named"].any()
    by_id = {row["system_id"].removeprefix("model/removal/"): row for row in rows.iter_rows(named=True)}
    columns = ("selection", "fit_on", "share", "rank", "n_features", "label")
    assert {short: tuple(by_id[short][column] for column in columns) for short in CASES} == CASES
    for selection, frame in rows.group_by("selection"):
        fitted = {"support"} if selection[0] in ("mean", "mean_each_side", "principal_components") else {None}
        assert set(frame["fit_on"]) == fitted, selection
    top, own, drawn = (by_id[f"paper/share0.02/{one}"] for one in ("energy", "attribution", "energy_matched-draw0"))
    assert top["energy_ratio"] >= max(drawn["energy_ratio"], own["energy_ratio"]) == 1.0
    assert drawn["label"].startswith(f"random features of {drawn['energy_ratio']:.0%} the energy ")


CASES = {
    "raw": (None, None, None, None, None, "raw"),
    "paper/mean": ("mean", "support", None, None, None, "one mean for both sides removed (paper)"),
    "paper/share0.02/attribution": (
        "attribution",
        None,
        0.02,
        2,
        2,
        "top attribution features removed (paper, 2% of features)",
    ),
    "paper/rank4/principal_components": (
        "principal_components",
        "support",
        0.1,
        4,
        None,
        "top principal components removed (paper, rank 4 of 10% of features)",
    ),
    "paper/cumulative1/random_features-draw1": (
        "random_features",
        None,
        None,
        1,
        1,
        "random features removed (paper, 1 feature, draw 2)",
    ),
    "paper/single": ("single", None, None, 1, 1, "one feature removed (paper)"),
}


def test_the_stage_writes_its_tables_within_their_contracts_and_equal_when_run_again(
    planted: Study, results: Path, tmp_path: Path
):
    assert all(result.success for result in validate_artifact("doses", results))
    again = run(planted, tmp_path / "again")
    for table in tables_of("doses"):
        assert_frame_equal(read_table(results, table.name), read_table(again, table.name))


def test_a_seed_decides_the_random_controls_alone(planted: Study, plan: DosePlan):
    other = planned(planted, seed=1)
    assert other.systems[0] == plan.systems[0]
    # Two features matched among the three nearest in energy may be the same under either seed.
    for short, basis in bases(plan).items():
        if "share0.02/energy_matched" in short:
            continue
        same = np.array_equal(basis, bases(other)[short])
        assert same == ("draw" not in short), short


def test_a_share_that_spans_the_space_is_left_out_with_a_note(planted: Study, caplog: pytest.LogCaptureFixture):
    plan = planned(planted)
    assert (
        "the top 50% of features are 48 of 96 features and span 32 of 32 dimensions; this share is left out"
        in caplog.text
    )
    assert not [s for s in plan.systems if "share0.5" in s.short]
    everywhere = planned(planted, DOSES.model_copy(update={"shares": (0.5,)}), share=0.5)
    assert everywhere.pairs == ()
    assert {s.rank for s in everywhere.systems if "/rank" in s.short} == {1, 4, 16}


def test_controls_are_not_scored_and_a_stage_without_a_share_left_still_writes(planted: Study, tmp_path: Path):
    dataset = tmp_path / "dataset"
    dataset.mkdir()
    for table in ("samples", "pairs", "queries", "candidates", "qrels", "exclusions"):
        write_table(dataset, table, read_table(planted.dataset, table))
    tasks = read_table(planted.dataset, "tasks")
    is_control = pl.col("task_id") == "i2i"
    controlled = tasks.with_columns(
        control=pl.when(is_control).then(pl.lit("image_only")).otherwise("control"),
        control_of=pl.when(is_control).then(pl.lit("t2i")),
    )
    write_table(dataset, "tasks", controlled)
    few = DoseSettings(shares=(0.9,), ranks=(1,), cumulative_features=0, single_features=0, random_draws=1)
    folder = run(replace(planted, dataset=dataset), tmp_path / "out", few, share=0.5)
    assert set(read_table(folder, "retrieval_metrics")["task_id"]) == {"t2i"}
    assert read_table(folder, "comparisons").is_empty()
    shorts = set(read_table(folder, "systems")["system_id"])
    assert shorts == {
        "model/removal/raw",
        "model/removal/paper/mean",
        "model/removal/paper/mean_each_side",
        "model/removal/paper/rank1/attribution",
        "model/removal/paper/rank1/energy",
        "model/removal/paper/rank1/bridge",
        "model/removal/paper/rank1/principal_components",
        "model/removal/paper/rank1/random_subspace-draw0",
    }
