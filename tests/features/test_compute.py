"""The feature tables from artifacts to artifact, against plain loops over dense codes."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal
from safetensors.numpy import save_file

from pipeline_core.errors import DataError
from pipeline_core.features import examples
from pipeline_core.features.compute import compute_features
from pipeline_core.features.settings import FeatureSettings
from pipeline_core.schema import tables_of
from pipeline_core.schema.parquet import read_table, write_table

C, WIDTH = 40, 6
SETTINGS = FeatureSettings(share=0.1, overlap_shares=(0.05, 0.2), pairs_per_feature=3, examples=2)
SPLITS = ("train", "train", "support", "validation", "test")


def sample_rows() -> list[tuple[str, str, str, str]]:
    """(sample, prompt, modality, split): 25 pairs, composed samples, and pictures under a second prompt."""
    rows = []
    for n in range(25):
        split = SPLITS[n % 5]
        rows += [(f"i{n:02d}", "image", "image", split), (f"t{n:02d}", "text", "text", split)]
        rows += [(f"t{n:02d}b", "text", "text", split)] if n % 2 else []
        rows += [(f"c{n:02d}", "image_question", "image_text", split)]
        rows += [(f"i{n:02d}", "image_question", "image", split)] if split == "support" else []
    return sorted(rows)


def dense_codes(rows: list[tuple[str, str, str, str]]) -> np.ndarray:
    generator = np.random.default_rng(5)
    codes = np.round(generator.exponential(1.0, (len(rows), C)), 1) * (generator.random((len(rows), C)) < 0.2)
    codes[:, 7] = 0.0
    codes[:, 11] += 0.5
    return codes.astype(np.float16).astype(np.float64)


def write_dataset(folder: Path, rows: list[tuple[str, str, str, str]]) -> None:
    samples = pl.DataFrame(rows, schema=["sample_id", "prompt_id", "modality", "split"], orient="row")
    empty = {name: pl.lit(None, pl.String) for name in ("text", "image_ref", "sha256")}
    sizes = {name: pl.lit(None, pl.Int32) for name in ("width", "height")}
    table = samples.drop("prompt_id").unique().with_columns(group=pl.col("sample_id"), **empty, **sizes)
    write_table(folder, "samples", table)
    texts = samples.filter(modality="text")
    pairs = texts.select(image_id=pl.lit("i") + pl.col("sample_id").str.slice(1, 2), text_id="sample_id", split="split")
    write_table(folder, "pairs", pairs)


def write_codes(folder: Path, rows: list[tuple[str, str, str, str]], codes: np.ndarray) -> None:
    features = [np.flatnonzero(row).tolist() for row in codes]
    values = pa.array([row[row > 0].astype(np.float16) for row in codes], pa.list_(pa.float16()))
    table = pa.table(
        {
            "sae_id": ["tiny/paper"] * len(rows),
            "rep_id": ["tiny/L4/mean/all"] * len(rows),
            "level": ["pooled"] * len(rows),
            "sample_id": [row[0] for row in rows],
            "prompt_id": [row[1] for row in rows],
            "features": pa.array(features, pa.list_(pa.uint32())),
            "values": values,
        }
    )
    write_table(folder, "codes", table, shard=0)


def write_dictionary(folder: Path) -> np.ndarray:
    dictionary = np.random.default_rng(6).standard_normal((C, WIDTH)).astype(np.float32)
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    save_file({"W_dec": dictionary}, folder / "sae_weights.safetensors")
    return dictionary


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("features")
    rows = sample_rows()
    write_dataset(folder, rows)
    write_codes(folder, rows, dense_codes(rows))
    write_dictionary(folder)
    compute_features(folder, folder, folder, SETTINGS, folder)
    return folder


@pytest.fixture(scope="module")
def chosen() -> dict[str, np.ndarray]:
    """Codes of the samples that count, by sample id: train and support, own prompts, no composed samples."""
    rows = sample_rows()
    return {
        sample: code
        for (sample, prompt, _, split), code in zip(rows, dense_codes(rows), strict=True)
        if split in ("train", "support") and prompt in ("image", "text")
    }


def test_every_table_of_the_stage_is_written_under_its_ids(built: Path) -> None:
    for table in tables_of("features"):
        frame = read_table(built, table.name)
        assert set(frame["sae_id"]) == {"tiny/paper"}
        assert set(frame["rep_id"]) == {"tiny/L4/mean/all"}
        assert frame.select(table.key).is_unique().all()


def test_energy_and_modality_come_from_train_and_support(built: Path, chosen: dict[str, np.ndarray]) -> None:
    images = np.array([code for sample, code in chosen.items() if sample.startswith("i")])
    texts = np.array([code for sample, code in chosen.items() if sample.startswith("t")])
    assert (len(images), len(texts)) == (15, 22)
    features = read_table(built, "features")
    assert features["feature_id"].to_list() == list(range(C))
    everything = np.concatenate([images, texts])
    np.testing.assert_allclose(features["energy"], everything.mean(0))
    np.testing.assert_allclose(features["frequency"], (everything > 0).mean(0))
    np.testing.assert_allclose(features["image_energy"], images.mean(0))
    np.testing.assert_allclose(features["text_energy"], texts.mean(0))
    modality = features["modality"].to_list()
    assert [f for f, value in enumerate(modality) if value is None] == [7]
    for f in set(range(C)) - {7}:
        assert modality[f] == pytest.approx(texts[:, f].mean() / (images[:, f].mean() + texts[:, f].mean()))


def test_bridge_and_attribution_come_from_matched_pairs(built: Path, chosen: dict[str, np.ndarray]) -> None:
    matched = [(chosen["i" + sample[1:3]], code) for sample, code in chosen.items() if sample.startswith("t")]
    dictionary = write_dictionary(built).astype(np.float64)
    M = dictionary @ dictionary.T
    B = np.mean([np.outer(i, t) for i, t in matched], axis=0) * M
    A = np.mean([i * (M @ t) + t * (M @ i) for i, t in matched], axis=0)
    features = read_table(built, "features")
    np.testing.assert_allclose(features["attribution"], A, atol=1e-10)
    np.testing.assert_allclose(features["bridge_diagonal"], np.diag(B), atol=1e-10)
    np.testing.assert_allclose(features["bridge_abs"], np.abs(B).sum(0) + np.abs(B).sum(1), atol=1e-10)
    assert features.sort("attribution", "feature_id", descending=[True, False])["attribution_rank"].to_list() == list(
        range(1, C + 1)
    )
    for row in read_table(built, "feature_pairs").iter_rows(named=True):
        assert row["bridge"] == pytest.approx(B[row["feature_id"], row["other_id"]])
    assert read_table(built, "feature_pairs").group_by("feature_id").len()["len"].max() == 3


def test_top_sets_hold_the_configured_share(built: Path) -> None:
    features = read_table(built, "features")
    for flag, score in (("energy", "energy"), ("bridge", "bridge_abs"), ("attribution", "attribution")):
        members = features.filter(pl.col(f"in_top_{flag}"))["feature_id"].to_list()
        best = features.sort(score, "feature_id", descending=[True, False]).head(4)["feature_id"].to_list()
        assert sorted(members) == sorted(best)


def test_overlaps_cover_every_share_and_reduction(built: Path) -> None:
    overlaps = read_table(built, "feature_overlap")
    assert overlaps.height == 2 * 3
    assert dict(overlaps.select("share", "set_size").unique().iter_rows()) == {0.05: 2, 0.2: 8}
    features = read_table(built, "features")
    tops = {
        score: set(features.sort(score, "feature_id", descending=[True, False]).head(8)["feature_id"])
        for score in ("energy", "attribution", "bridge_max")
    }
    row = overlaps.filter(share=0.2, bridge_reduction="bridge_max").row(0, named=True)
    for name, one, other in (
        ("energy_attribution", "energy", "attribution"),
        ("energy_bridge", "energy", "bridge_max"),
        ("attribution_bridge", "attribution", "bridge_max"),
    ):
        assert row[name] == pytest.approx(len(tops[one] & tops[other]) / len(tops[one] | tops[other]))


def test_curve_ends_with_all_features_and_all_energy(built: Path) -> None:
    curve = read_table(built, "energy_curve")
    assert curve["rank"].to_list() == list(range(1, C + 1))
    assert curve.row(-1, named=True)["energy_share"] == pytest.approx(1.0)
    energy = read_table(built, "features").sort("energy_rank")["energy"]
    np.testing.assert_allclose(curve["energy_share"], energy.cum_sum() / energy.sum())


def test_concentration_is_counted_off_the_table(built: Path) -> None:
    features, curve = read_table(built, "features"), read_table(built, "energy_curve")
    (row,) = read_table(built, "energy_concentration").iter_rows(named=True)
    holding = curve.filter(pl.col("energy_share") >= 0.99)["rank"].min()
    always = features.filter(pl.col("frequency") > 0.9)
    assert (row["n_features"], row["n_live"], row["n_holding"]) == (C, C - 1, holding)
    assert row["n_always_on"] == row["n_holding_always_on"] == always.height == 1
    assert row["always_on_energy"] == pytest.approx(always["energy"].sum() / features["energy"].sum())


def test_random_overlaps_cover_every_share(built: Path) -> None:
    rows = read_table(built, "random_overlap").sort("share")
    assert rows.select("share", "set_size").rows() == [(0.05, 2), (0.2, 8)]
    assert set(rows["n_holding"]) == set(read_table(built, "energy_concentration")["n_holding"])


def test_examples_are_the_largest_codes(built: Path, chosen: dict[str, np.ndarray]) -> None:
    examples = read_table(built, "feature_examples")
    for f in range(C):
        for modality, initial in (("image", "i"), ("text", "t")):
            codes = sorted(
                (-code[f], sample) for sample, code in chosen.items() if sample[0] == initial and code[f] > 0
            )
            found = examples.filter(feature_id=f, modality=modality).sort("rank")
            assert found["sample_id"].to_list() == [sample for _, sample in codes[:2]]
            assert found["rank"].to_list() == list(range(1, found.height + 1))
            np.testing.assert_allclose(found["value"], [-value for value, _ in codes[:2]])
            assert set(found["prompt_id"]) <= {modality}


def test_examples_are_found_by_blocks_of_features(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "_ENTRIES", 7)
    compute_features(built, built, built, SETTINGS, tmp_path)
    assert_frame_equal(read_table(tmp_path, "feature_examples"), read_table(built, "feature_examples"))


def test_dual_encoders_need_no_prompt(built: Path, tmp_path: Path) -> None:
    """Embedded once a sample, under 'none': the same numbers."""
    rows = sample_rows()
    codes = dense_codes(rows)
    once = [n for n, row in enumerate(rows) if row[1:3] != ("image_question", "image")]
    write_dataset(tmp_path, rows)
    write_codes(tmp_path, [(rows[n][0], "none", *rows[n][2:]) for n in once], codes[once])
    write_dictionary(tmp_path)
    compute_features(tmp_path, tmp_path, tmp_path, SETTINGS, tmp_path)
    for name in ("features", "feature_pairs", "feature_overlap", "energy_curve"):
        assert_frame_equal(read_table(tmp_path, name), read_table(built, name))


def test_a_benchmark_with_a_test_split_alone_is_measured_on_it(built: Path, tmp_path: Path, caplog) -> None:
    """The same samples, all of test, give the same numbers, and the log says where they are from."""
    rows, codes = sample_rows(), dense_codes(sample_rows())
    kept = [n for n, row in enumerate(rows) if row[3] in ("train", "support")]
    of_test = [(*rows[n][:3], "test") for n in kept]
    write_dataset(tmp_path, of_test)
    write_codes(tmp_path, of_test, codes[kept])
    write_dictionary(tmp_path)
    compute_features(tmp_path, tmp_path, tmp_path, SETTINGS, tmp_path)
    for table in tables_of("features"):
        assert_frame_equal(read_table(tmp_path, table.name), read_table(built, table.name))
    assert "no train and no support split, so that features are measured on test" in caplog.text


@pytest.mark.parametrize(
    ("left", "problem"), [("t", "no image sample of the train split"), ("i", "no text sample of the train split")]
)
def test_a_missing_side_is_told(tmp_path: Path, left: str, problem: str) -> None:
    rows = sample_rows()
    kept = [n for n, row in enumerate(rows) if row[0].startswith(left)]
    write_dataset(tmp_path, rows)
    write_codes(tmp_path, [rows[n] for n in kept], dense_codes(rows)[kept])
    write_dictionary(tmp_path)
    with pytest.raises(DataError, match=problem):
        compute_features(tmp_path, tmp_path, tmp_path, SETTINGS, tmp_path)


def test_samples_without_pairs_are_told(tmp_path: Path) -> None:
    rows = sample_rows()
    write_dataset(tmp_path, rows)
    write_table(tmp_path, "pairs", read_table(tmp_path, "pairs").clear())
    write_codes(tmp_path, rows, dense_codes(rows))
    write_dictionary(tmp_path)
    with pytest.raises(DataError, match="no matched pair"):
        compute_features(tmp_path, tmp_path, tmp_path, SETTINGS, tmp_path)
