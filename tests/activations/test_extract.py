"""Extraction end to end with real (tiny) models: tables, resumption, and what goes wrong."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModel

from pipeline_core.activations.extract import build_shard, plan_shards
from pipeline_core.activations.plan import DatasetTables, needed_requests, training_order
from pipeline_core.activations.settings import ActivationsSettings
from pipeline_core.activations.shards import is_written, seal_shards
from pipeline_core.activations.vectors import VectorBlocks, analysis_representation, load_embeddings, token_batches
from pipeline_core.errors import ConfigError, DataError, ModelError, StoreError
from pipeline_core.models.embedder import TokenEmbedder
from pipeline_core.models.facts import describe_model
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.loading import load_embedder
from pipeline_core.models.representations import MASKS, POOLINGS
from pipeline_core.models.samples import ROLES, SampleInput
from pipeline_core.models.settings import ModelSettings
from pipeline_core.sae.tokens import map_tokens
from pipeline_core.schema.parquet import read_table
from pipeline_core.threads import limited_threads
from tests.activations.running import SETTINGS, SHARD_SIZE, contents, run
from tests.models import tiny
from tests.models.tiny_duals import DUAL
from tests.models.tiny_families import save


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> GenerativeEmbedder:
    folder = tiny.save_llava(tmp_path_factory.mktemp("llava"))
    settings = ModelSettings(name=str(folder))
    embedder = load_embedder(settings, replace(describe_model(settings), name="tiny"), "cpu", folder)
    assert isinstance(embedder, GenerativeEmbedder)
    return embedder


@pytest.fixture(scope="module")
def extracted(llava: GenerativeEmbedder, dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("activations")
    run(llava, dataset_folder, folder)
    return folder


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
    items = needed_requests(DatasetTables.read(dataset_folder), prompts=True)
    table = read_table(extracted, "embeddings", ["rep_id", "sample_id", "prompt_id"])
    representations = read_table(extracted, "representations")
    assert table.n_unique() == table.height == len(items) * representations.height


def embedding(stored: VectorBlocks, samples: list[str], prompt: str) -> np.ndarray:
    (vector,) = stored.take(stored.rows_of(samples, prompt))
    return vector


def test_embeddings_are_those_of_samples_alone(
    extracted: Path, dataset_folder: Path, llava: GenerativeEmbedder
) -> None:
    """Batched, padded, with remembered pictures and from Parquet, against one sample at a time in memory."""
    stored = {
        rep: load_embeddings(extracted, f"tiny/{rep}") for rep in ("L0/mean/all", "L3/mean/all", "L3/last/content")
    }
    for item in needed_requests(DatasetTables.read(dataset_folder), prompts=True)[::7]:
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
                embedding(stored[rep], [item.sample_id], item.prompt_id), vector, atol=1e-4, err_msg=f"{item} {rep}"
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
        np.testing.assert_allclose(states.mean(0), embedding(mean, [sample], prompt), atol=2e-3)
    assert sum(len(batch) for batch in token_batches(extracted)) == tokens.height
    assert set(tokens["token_role"]) == set(ROLES)
    pictures = tokens.filter(pl.col("token_role") == "image")
    assert pictures.height == tiny.N_PATCHES * train.filter(pl.col("modality") == "image").height


def test_token_roles_and_layer_can_be_chosen(llava: GenerativeEmbedder, dataset_folder: Path, tmp_path: Path) -> None:
    run(llava, dataset_folder, tmp_path, settings=ActivationsSettings(token_roles=("text",), layer=1))
    assert set(read_table(tmp_path, "tokens")["token_role"]) == {"text"}
    at_layer = read_table(tmp_path, "representations").filter("at_analysis_layer")
    assert set(at_layer.select("layer", "norm_position").rows()) == {(1, "raw")}
    assert set(at_layer["rep_id"]) == {f"tiny/L1/{pooling}/{mask}" for pooling in POOLINGS for mask in MASKS}


def test_of_large_pools_the_analysed_representation_alone_is_kept(
    extracted: Path, llava: GenerativeEmbedder, dataset_folder: Path, tmp_path: Path
) -> None:
    run(llava, dataset_folder, tmp_path, settings=ActivationsSettings(store="analysed"))
    assert read_table(tmp_path, "representations")["rep_id"].to_list() == ["tiny/L3/max/content"]
    whole, few = (load_embeddings(folder, "tiny/L3/max/content") for folder in (extracted, tmp_path))
    assert few.labels.equals(whole.labels)
    np.testing.assert_array_equal(np.concatenate([*few.blocks()]), np.concatenate([*whole.blocks()]))
    assert analysis_representation(tmp_path) == "tiny/L3/max/content"
    tokens = (read_table(folder, "tokens").drop("vector") for folder in (extracted, tmp_path))
    assert next(tokens).equals(next(tokens))


def test_of_large_pools_embeddings_may_be_kept_in_half_precision(
    extracted: Path, llava: GenerativeEmbedder, dataset_folder: Path, tmp_path: Path
) -> None:
    run(llava, dataset_folder, tmp_path, settings=ActivationsSettings(precision="float16"))
    file = next((tmp_path / "embeddings").iterdir())
    assert pq.read_schema(file).field("vector").type == pa.list_(pa.float16())
    whole, halves = (load_embeddings(folder, "tiny/L3/mean/all") for folder in (extracted, tmp_path))
    assert halves.take(np.arange(1)).dtype == np.float32
    expected = np.concatenate([*whole.blocks()]).astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(np.concatenate([*halves.blocks()]), expected)


def test_of_data_that_only_train_states_of_train_and_validation_are_kept(
    llava: GenerativeEmbedder, dataset_folder: Path, tmp_path: Path
) -> None:
    run(llava, dataset_folder, tmp_path, settings=ActivationsSettings(store="training"))
    samples = read_table(dataset_folder, "samples", ["sample_id", "split"])
    seen = {"train", "validation"}
    for table in ("embeddings", "tokens"):
        found = read_table(tmp_path, table, ["sample_id"]).join(samples, on="sample_id")
        assert set(found["split"]) == seen
    assert read_table(tmp_path, "embeddings").height == samples.filter(pl.col("split").is_in(seen)).height
    order = training_order(DatasetTables.read(dataset_folder), prompts=True)
    assert order.join(samples, on="sample_id")["split"].unique().to_list() == ["train"]


@pytest.mark.parametrize("damage", ["missing embeddings", "missing tokens", "truncated", "unfinished"])
def test_a_resumed_extraction_equals_an_uninterrupted_one(
    extracted: Path, llava: GenerativeEmbedder, dataset_folder: Path, tmp_path: Path, damage: str
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
            (folder / ".writing" / "00002").mkdir(parents=True)
            (folder / ".writing" / "00002" / "leftover").write_text("half a shard")
    reported: list[tuple[int, int]] = []
    run(llava, dataset_folder, folder, lambda done, total: reported.append((done, total)))
    assert contents(folder) == contents(extracted)
    assert kept.stat().st_ino == before
    assert reported[-1][0] == reported[-1][1] and reported == sorted(reported)


@pytest.mark.parametrize("other", [SHARD_SIZE // 2, SHARD_SIZE + 3])
def test_an_extraction_that_goes_on_with_other_shards_keeps_none_that_holds_something_else(
    extracted: Path, llava: GenerativeEmbedder, dataset_folder: Path, tmp_path: Path, other: int
) -> None:
    run(llava, dataset_folder, tmp_path, shard_size=other)
    run(llava, dataset_folder, tmp_path)
    assert contents(tmp_path) == contents(extracted)


@pytest.mark.parametrize("other", [SHARD_SIZE // 2, SHARD_SIZE + 3])
def test_an_autoencoder_takes_its_states_in_one_order_however_they_were_cut_into_shards(
    extracted: Path, llava: GenerativeEmbedder, dataset_folder: Path, tmp_path: Path, other: int
) -> None:
    run(llava, dataset_folder, tmp_path, shard_size=other)
    order = training_order(DatasetTables.read(dataset_folder), llava.facts.prompts)
    one, same = (map_tokens(folder, tmp_path / f"{n}.npy", order) for n, folder in enumerate((extracted, tmp_path)))
    np.testing.assert_allclose(one.halves, same.halves, atol=2e-3)
    unordered = (map_tokens(folder, tmp_path / f"{n}-.npy") for n, folder in enumerate((extracted, tmp_path)))
    assert not np.allclose(*(tokens.halves for tokens in unordered), atol=0.1)


def test_an_interrupted_extraction_loses_only_the_shard_in_flight(
    extracted: Path, llava: GenerativeEmbedder, dataset_folder: Path, tmp_path: Path
) -> None:
    def stop_in_the_second_shard(done: int, _: int) -> None:
        if done > SHARD_SIZE:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(llava, dataset_folder, tmp_path, stop_in_the_second_shard)
    assert [file.name for file in (tmp_path / "embeddings").iterdir()] == ["00000.parquet"]
    run(llava, dataset_folder, tmp_path)
    assert contents(tmp_path) == contents(extracted)


def test_shards_can_be_built_in_any_order_and_are_sealed_when_all_are_there(
    extracted: Path, llava: GenerativeEmbedder, dataset_folder: Path, tmp_path: Path
) -> None:
    shards = plan_shards(dataset_folder, llava.facts.prompts, batch_size=5, shard_size=SHARD_SIZE)
    advanced: list[int] = []
    for shard in reversed(shards[1:]):
        with limited_threads(1):
            build_shard(llava, dataset_folder, SETTINGS, shard, tmp_path, advanced.append)
        # Another worker that died over a shard that somebody else then wrote.
        (tmp_path / ".writing" / "00001").mkdir(parents=True, exist_ok=True)
    assert [is_written(tmp_path, shard) for shard in shards] == [False] + [True] * (len(shards) - 1)
    with pytest.raises(StoreError, match=r"shard 0 of .* is not written"):
        seal_shards(tmp_path, shards)
    with limited_threads(1):
        build_shard(llava, dataset_folder, SETTINGS, shards[0], tmp_path, advanced.append)
    seal_shards(tmp_path, shards)
    assert contents(tmp_path) == contents(extracted)
    assert sum(advanced) == sum(len(shard.requests) for shard in shards)
    assert not (tmp_path / ".writing").exists()


@pytest.mark.parametrize("most", [1, 130, 400])
def test_a_pass_holds_as_many_tokens_as_it_may(
    most: int,
    extracted: Path,
    llava: GenerativeEmbedder,
    dataset_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shapes: list[tuple[int, ...]] = []

    def look(_: object, __: object, kwargs: dict[str, torch.Tensor]) -> None:
        shapes.append(tuple(kwargs["attention_mask"].shape))

    assert isinstance(llava, TokenEmbedder)
    monkeypatch.setattr(llava, "most_tokens", most)
    handle = llava._base.register_forward_pre_hook(look, with_kwargs=True)
    try:
        run(llava, dataset_folder, tmp_path)
    finally:
        handle.remove()
    assert all(rows == 1 or rows * width <= most for rows, width in shapes)
    assert (max(rows for rows, _ in shapes) > 1) == (most > 1)
    divided, whole = load_embeddings(tmp_path), load_embeddings(extracted)
    assert divided.labels.equals(whole.labels)
    np.testing.assert_allclose(np.concatenate([*divided.blocks()]), np.concatenate([*whole.blocks()]), atol=1e-4)
    states, expected = (np.concatenate([*token_batches(folder)]) for folder in (tmp_path, extracted))
    np.testing.assert_allclose(states, expected, atol=2e-2)


def device_is_full() -> None:
    raise torch.OutOfMemoryError("no room")


def memory_is_full() -> None:
    torch.empty(2**60, dtype=torch.uint8)


@pytest.mark.parametrize("fail", [device_is_full, memory_is_full])
def test_a_batch_that_does_not_fit_is_halved(
    fail: Callable[[], None], extracted: Path, llava: GenerativeEmbedder, dataset_folder: Path, tmp_path: Path
) -> None:
    def no_room_for_two(_: object, __: object, kwargs: dict[str, torch.Tensor]) -> None:
        if len(kwargs["attention_mask"]) > 2:
            fail()

    handle = llava._base.register_forward_pre_hook(no_room_for_two, with_kwargs=True)
    try:
        run(llava, dataset_folder, tmp_path)
    finally:
        handle.remove()
    halved, whole = load_embeddings(tmp_path), load_embeddings(extracted)
    assert halved.labels.equals(whole.labels)
    np.testing.assert_allclose(np.concatenate([*halved.blocks(7)]), np.concatenate([*whole.blocks()]), atol=1e-4)


def test_another_error_of_torch_is_not_taken_for_a_full_memory(
    llava: GenerativeEmbedder, dataset_folder: Path, tmp_path: Path
) -> None:
    def misfit(*_: object) -> None:
        torch.ones(2) @ torch.ones(3)

    handle = llava._base.register_forward_pre_hook(misfit)
    try:
        with pytest.raises(ModelError, match="inconsistent tensor size"):
            run(llava, dataset_folder, tmp_path)
    finally:
        handle.remove()


def test_values_that_are_not_finite_name_sample_and_layer(dataset_folder: Path, tmp_path: Path) -> None:
    folder = tiny.save_llava(tmp_path / "model")
    embedder = tiny.load(folder)
    assert isinstance(embedder, GenerativeEmbedder)
    embedder._decoder.layers[1].mlp.down_proj.weight.data[3, 3] = torch.nan
    with pytest.raises(ModelError, match=r"not finite for sample \S+ in layer 2"):
        run(embedder, dataset_folder, tmp_path)
    assert not list(tmp_path.glob("embeddings/*"))


def test_a_layer_that_is_not_there_is_refused(llava: GenerativeEmbedder, dataset_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"activations\.layer is 9, which tiny does not have; choose 0 to 3"):
        run(llava, dataset_folder, tmp_path, settings=ActivationsSettings(layer=9))


def test_a_picture_that_is_gone_names_its_sample(
    llava: GenerativeEmbedder, dataset_folder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "dataset"
    shutil.copytree(dataset_folder, broken)
    table = pq.read_table(broken / "samples.parquet").to_pandas()
    table.loc[table["sample_id"] == "image:07", "image_ref"] = "parquet:images.parquet#999"
    table.to_parquet(broken / "samples.parquet")
    with pytest.raises(DataError, match="sample image:07: the picture"):
        run(llava, broken, tmp_path)


def test_a_dual_encoder_writes_one_representation_and_the_attention_that_it_ran_with(
    dataset_folder: Path, tmp_path: Path
) -> None:
    embedder = tiny.load(save(tmp_path / "model", DUAL["aimv2"], AutoModel), attention="sdpa")
    run(embedder, dataset_folder, tmp_path)
    columns = ("layer", "pooling", "at_analysis_layer", "attention")
    assert read_table(tmp_path, "representations").select(columns).rows() == [(-1, "model", True, "eager")]
    assert analysis_representation(tmp_path, "max", "content") == analysis_representation(tmp_path)
    embeddings = load_embeddings(tmp_path)
    tokens = read_table(tmp_path, "tokens")
    train = read_table(dataset_folder, "samples").filter(pl.col("split") == "train").sort("sample_id")
    assert tokens.sort("sample_id")["sample_id"].to_list() == train["sample_id"].to_list()
    assert tokens.sort("sample_id")["token_role"].to_list() == train["modality"].to_list()
    assert set(tokens["token_index"]) == {0}
    for row in tokens.head(3).iter_rows(named=True):
        np.testing.assert_allclose(row["vector"], embedding(embeddings, [row["sample_id"]], "none"), atol=1e-3)


def test_states_beyond_float16_are_restored_by_their_scale(dataset_folder: Path, tmp_path: Path) -> None:
    folder = tiny.save_llava(tmp_path / "model")
    embedder = tiny.load(folder)
    assert isinstance(embedder, GenerativeEmbedder)
    embedder._decoder.norm.weight.data *= 1e5
    run(embedder, dataset_folder, tmp_path)
    states = np.concatenate(list(token_batches(tmp_path)))
    assert np.isfinite(states).all() and np.abs(states).max() > 65504
    embeddings = load_embeddings(tmp_path)
    tokens = read_table(tmp_path, "tokens").filter(pl.col("sample_id") == "name:00")
    restored = np.array(tokens["vector"].to_list(), dtype=np.float64) * tokens["scale"].to_numpy()[:, None]
    np.testing.assert_allclose(restored.mean(0), embedding(embeddings, ["name:00"], "text"), rtol=5e-3, atol=50)
