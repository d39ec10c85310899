"""Extraction end to end with real (tiny) models: tables, resumption, and what goes wrong."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import torch

from pipeline_core.activations.extract import extract
from pipeline_core.activations.plan import DatasetTables, needed_items
from pipeline_core.activations.pooling import MASKS, POOLINGS
from pipeline_core.activations.shards import half_scale
from pipeline_core.activations.vectors import analysis_representation, load_embeddings, token_batches
from pipeline_core.config import ExtractionConfig, ModelConfig
from pipeline_core.errors import ConfigError, DataError, ModelError
from pipeline_core.models.adapter import SampleInput
from pipeline_core.models.generative import GenerativeAdapter
from pipeline_core.models.registry import load_adapter
from pipeline_core.schema.parquet import read_table
from tests.models import tiny

CONFIG = ExtractionConfig(batch_size=5, shard_size=24, threads=1)
MODEL = ModelConfig(name="tiny")


def silent(done: int, total: int) -> None:
    """Take progress and say nothing."""


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> GenerativeAdapter:
    folder = tiny.save_llava(tmp_path_factory.mktemp("llava"))
    adapter = load_adapter(ModelConfig(name=str(folder)), folder.parent)
    assert isinstance(adapter, GenerativeAdapter)
    return adapter


@pytest.fixture(scope="module")
def extracted(llava: GenerativeAdapter, dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("activations")
    extract(llava, dataset_folder, CONFIG, MODEL, folder, silent)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_every_layer_pooling_and_mask_is_a_representation(extracted: Path) -> None:
    table = read_table(extracted, "representations")
    assert table.height == tiny.LAYERS + 1 + len(POOLINGS) * len(MASKS) - 1
    layers = table.filter(pl.col("pooling") == "mean", pl.col("mask") == "all")
    assert layers["layer"].to_list() == list(range(tiny.LAYERS + 1))
    assert layers["norm_position"].to_list() == ["raw"] * tiny.LAYERS + ["final_norm"]
    last = f"tiny/L{tiny.LAYERS}"
    at_layer = table.filter("at_analysis_layer")["rep_id"]
    assert sorted(at_layer) == sorted(f"{last}/{pooling}/{mask}" for pooling in POOLINGS for mask in MASKS)
    assert analysis_representation(extracted) == f"{last}/mean/all"
    assert analysis_representation(extracted, "max", "content") == f"{last}/max/content"


def test_every_item_has_every_representation_once(extracted: Path, dataset_folder: Path) -> None:
    items = needed_items(DatasetTables.read(dataset_folder), contrastive=False)
    table = read_table(extracted, "embeddings", ["rep_id", "sample_id", "prompt_id"])
    representations = read_table(extracted, "representations")
    assert table.n_unique() == table.height == len(items) * representations.height


def test_embeddings_are_those_of_samples_alone(extracted: Path, dataset_folder: Path, llava: GenerativeAdapter) -> None:
    """Batched, padded, with remembered pictures and from Parquet, against one sample at a time in memory."""
    stored = {
        rep: load_embeddings(extracted, f"tiny/{rep}") for rep in ("L0/mean/all", "L3/mean/all", "L3/last/content")
    }
    for item in needed_items(DatasetTables.read(dataset_folder), contrastive=False)[::7]:
        image = tiny.picture(int(item.sample_id[-2:])) if item.image_ref else None
        batch = llava.prepare([SampleInput(item.sample_id, item.prompt_id, image, item.text, item.instruction)])
        states: list[np.ndarray] = []
        llava.run(batch, lambda _, layer: states.append(layer[0].numpy().astype(np.float64)))  # noqa: B023
        content = np.flatnonzero(batch.roles[0] <= 1)
        expected = {
            "L0/mean/all": states[0].mean(0),
            "L3/mean/all": states[3].mean(0),
            "L3/last/content": states[3][content[-1]],
        }
        for rep, vector in expected.items():
            np.testing.assert_allclose(
                stored[rep].take([item.sample_id], item.prompt_id)[0], vector, atol=1e-4, err_msg=f"{item} {rep}"
            )


def test_counts_of_pooled_tokens_follow_the_mask(extracted: Path) -> None:
    counts = read_table(extracted, "embeddings", ["rep_id", "sample_id", "prompt_id", "n_tokens"]).filter(
        pl.col("sample_id") == "image:00"
    )
    of = {rep.removeprefix("tiny/L3/mean/"): n for rep, n in counts.select("rep_id", "n_tokens").iter_rows()}
    assert of["content"] == tiny.N_PATCHES
    assert of["no_image"] == of["all"] - tiny.N_PATCHES
    assert of["no_image"] > of["all"] - of["no_prompt"] > 0


def test_tokens_are_the_training_states_of_the_analysis_layer(extracted: Path, dataset_folder: Path) -> None:
    tokens = read_table(extracted, "tokens")
    train = read_table(dataset_folder, "samples").filter(pl.col("split") == "train")
    assert set(tokens["sample_id"]) == set(train["sample_id"])
    mean = load_embeddings(extracted, "tiny/L3/mean/all")
    for (sample, prompt), rows in tokens.group_by("sample_id", "prompt_id"):
        assert sorted(rows["token_index"]) == list(range(rows.height))
        states = np.array(rows["vector"].to_list(), dtype=np.float64)
        np.testing.assert_allclose(states.mean(0), mean.take([sample], prompt)[0], atol=2e-3)
    assert sum(len(batch) for batch in token_batches(extracted)) == tokens.height
    pictures = tokens.filter(pl.col("token_role") == "image")
    assert pictures.height == tiny.N_PATCHES * train.filter(pl.col("modality") == "image").height


def test_token_roles_and_layer_can_be_chosen(llava: GenerativeAdapter, dataset_folder: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"token_roles": ("text",), "layer": 1})
    extract(llava, dataset_folder, config, MODEL, tmp_path, silent)
    assert set(read_table(tmp_path, "tokens")["token_role"]) == {"text"}
    at_layer = read_table(tmp_path, "representations").filter("at_analysis_layer")
    assert set(at_layer.select("layer", "norm_position").rows()) == {(1, "raw")}
    assert set(at_layer["rep_id"]) == {f"tiny/L1/{pooling}/{mask}" for pooling in POOLINGS for mask in MASKS}


@pytest.mark.parametrize("damage", ["missing embeddings", "missing tokens", "truncated", "unfinished"])
def test_a_resumed_extraction_equals_an_uninterrupted_one(
    extracted: Path, llava: GenerativeAdapter, dataset_folder: Path, tmp_path: Path, damage: str
) -> None:
    folder = tmp_path / "resumed"
    shutil.copytree(extracted, folder)
    kept = folder / "embeddings" / "00001.parquet"
    before = kept.stat().st_ino
    match damage:
        case "missing embeddings":
            (folder / "embeddings" / "00000.parquet").unlink()
        case "missing tokens":
            (folder / "tokens" / "00002.parquet").unlink()
        case "truncated":
            last = folder / "embeddings" / "00000.parquet"
            last.write_bytes(last.read_bytes()[:-100])
        case "unfinished":
            (folder / "embeddings" / "00002.parquet").unlink()
            (folder / ".writing").mkdir()
            (folder / ".writing" / "leftover").write_text("half a shard")
    reported: list[tuple[int, int]] = []
    extract(llava, dataset_folder, CONFIG, MODEL, folder, lambda done, total: reported.append((done, total)))
    assert contents(folder) == contents(extracted)
    assert kept.stat().st_ino == before
    assert reported[-1][0] == reported[-1][1] and reported == sorted(reported)


def test_an_interrupted_extraction_loses_only_the_shard_in_flight(
    extracted: Path, llava: GenerativeAdapter, dataset_folder: Path, tmp_path: Path
) -> None:
    def stop_in_the_second_shard(done: int, _: int) -> None:
        if done > CONFIG.shard_size:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(llava, dataset_folder, CONFIG, MODEL, tmp_path, stop_in_the_second_shard)
    assert [file.name for file in (tmp_path / "embeddings").iterdir()] == ["00000.parquet"]
    extract(llava, dataset_folder, CONFIG, MODEL, tmp_path, silent)
    assert contents(tmp_path) == contents(extracted)


def test_threads_are_restored(llava: GenerativeAdapter, dataset_folder: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    seen: list[int] = []
    config = CONFIG.model_copy(update={"threads": before + 1})
    extract(llava, dataset_folder, config, MODEL, tmp_path, lambda *_: seen.append(torch.get_num_threads()))
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before


def test_a_batch_that_does_not_fit_is_halved(
    extracted: Path, llava: GenerativeAdapter, dataset_folder: Path, tmp_path: Path
) -> None:
    def no_room_for_two(_: object, __: object, kwargs: dict[str, torch.Tensor]) -> None:
        if len(kwargs["attention_mask"]) > 2:
            raise torch.OutOfMemoryError("no room")

    handle = llava._base.register_forward_pre_hook(no_room_for_two, with_kwargs=True)
    try:
        extract(llava, dataset_folder, CONFIG, MODEL, tmp_path, silent)
    finally:
        handle.remove()
    halved, whole = load_embeddings(tmp_path), load_embeddings(extracted)
    assert halved.sample_ids == whole.sample_ids
    np.testing.assert_allclose(halved.vectors, whole.vectors, atol=1e-4)


def test_a_sample_that_never_fits_is_named(llava: GenerativeAdapter, dataset_folder: Path, tmp_path: Path) -> None:
    def no_room(*_: object) -> None:
        raise torch.OutOfMemoryError("no room")

    handle = llava._base.register_forward_pre_hook(no_room)
    try:
        with pytest.raises(ModelError, match=r"sample \S+ alone does not fit"):
            extract(llava, dataset_folder, CONFIG, MODEL, tmp_path, silent)
    finally:
        handle.remove()


def test_values_that_are_not_finite_name_sample_and_layer(dataset_folder: Path, tmp_path: Path) -> None:
    folder = tiny.save_llava(tmp_path / "model")
    adapter = load_adapter(ModelConfig(name=str(folder)), tmp_path)
    assert isinstance(adapter, GenerativeAdapter)
    adapter._decoder.layers[1].mlp.down_proj.weight.data[3, 3] = torch.nan
    with pytest.raises(ModelError, match=r"not finite for sample \S+ in layer 2"):
        extract(adapter, dataset_folder, CONFIG, MODEL, tmp_path, silent)
    assert not list(tmp_path.glob("embeddings/*"))


def test_a_layer_that_is_not_there_is_refused(llava: GenerativeAdapter, dataset_folder: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"layer": 9})
    with pytest.raises(ConfigError, match=r"extraction\.layer is 9, which tiny does not have; choose 0 to 3"):
        extract(llava, dataset_folder, config, MODEL, tmp_path, silent)


def test_a_picture_that_is_gone_names_its_sample(
    llava: GenerativeAdapter, dataset_folder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "dataset"
    shutil.copytree(dataset_folder, broken)
    table = pq.read_table(broken / "samples.parquet").to_pandas()
    table.loc[table["sample_id"] == "image:07", "image_ref"] = "parquet:images.parquet#999"
    table.to_parquet(broken / "samples.parquet")
    with pytest.raises(DataError, match="sample image:07: the picture"):
        extract(llava, broken, CONFIG, MODEL, tmp_path, silent)


def test_a_dual_encoder_writes_one_representation(dataset_folder: Path, tmp_path: Path) -> None:
    folder = tiny.save_clip(tmp_path / "model")
    adapter = load_adapter(ModelConfig(name=str(folder)), tmp_path)
    extract(adapter, dataset_folder, CONFIG, MODEL, tmp_path, silent)
    representations = read_table(tmp_path, "representations").select("layer", "pooling", "at_analysis_layer")
    assert representations.rows() == [(-1, "model", True)]
    assert analysis_representation(tmp_path, "max", "content") == analysis_representation(tmp_path)
    embeddings = load_embeddings(tmp_path)
    tokens = read_table(tmp_path, "tokens")
    train = read_table(dataset_folder, "samples").filter(pl.col("split") == "train").sort("sample_id")
    assert tokens.sort("sample_id")["sample_id"].to_list() == train["sample_id"].to_list()
    assert tokens.sort("sample_id")["token_role"].to_list() == train["modality"].to_list()
    assert set(tokens["token_index"]) == {0}
    for row in tokens.head(3).iter_rows(named=True):
        np.testing.assert_allclose(row["vector"], embeddings.take([row["sample_id"]], "none")[0], atol=1e-3)


@pytest.mark.parametrize(("largest", "scale"), [(0.0, 1.0), (3e4, 1.0), (3.1e4, 2.0), (6e4, 2.0), (1e6, 64.0)])
def test_scales_are_powers_of_two_that_fit_float16(largest: float, scale: float) -> None:
    assert half_scale(largest) == scale
    assert np.isfinite(np.float16(largest / scale))


def test_states_beyond_float16_are_restored_by_their_scale(dataset_folder: Path, tmp_path: Path) -> None:
    folder = tiny.save_llava(tmp_path / "model")
    adapter = load_adapter(ModelConfig(name=str(folder)), tmp_path)
    assert isinstance(adapter, GenerativeAdapter)
    adapter._decoder.norm.weight.data *= 1e5
    extract(adapter, dataset_folder, CONFIG, MODEL, tmp_path, silent)
    states = np.concatenate(list(token_batches(tmp_path)))
    assert np.isfinite(states).all() and np.abs(states).max() > 65504
    embeddings = load_embeddings(tmp_path)
    tokens = read_table(tmp_path, "tokens").filter(pl.col("sample_id") == "name:00")
    restored = np.array(tokens["vector"].to_list(), dtype=np.float64) * tokens["scale"].to_numpy()[:, None]
    np.testing.assert_allclose(restored.mean(0), embeddings.take(["name:00"], "text")[0], rtol=5e-3, atol=50)
