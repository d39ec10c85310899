"""The attention stage on a small data set: which samples, and three tables that agree with each other."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

from pipeline_core.activations.limits import Limits
from pipeline_core.activations.plan import DatasetTables
from pipeline_core.attention.measure import measure_attention
from pipeline_core.attention.samples import TASK_TYPES, choose_requests
from pipeline_core.attention.settings import AttentionSettings
from pipeline_core.contracts.validation import check_artifact
from pipeline_core.errors import ModelError
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.samples import IMAGE, SampleInput
from pipeline_core.schema.parquet import read_table, write_table
from tests.attention.conftest import FAMILIES, load
from tests.attention.tampering import attending_to
from tests.models import tiny

UNLIMITED = Limits.none()
CONFIG = AttentionSettings(samples=3, quadrant_samples=9)
TABLES = ("attention_mass", "attention_maps", "attention_quadrants")
N_HEADS, N_SOURCES = 4, 2
KEY = ("sample_id", "layer", "source")


def measure(
    embedder: GenerativeEmbedder, dataset: Path, folder: Path, limits: Limits = UNLIMITED
) -> dict[str, pl.DataFrame]:
    folder.mkdir(exist_ok=True)
    measure_attention(embedder, dataset, limits, CONFIG, folder, lambda *_: None)
    return {name: read_table(folder, name) for name in TABLES}


@pytest.fixture(scope="module", params=FAMILIES)
def measured(
    request: pytest.FixtureRequest,
    embedders: dict[str, GenerativeEmbedder],
    dataset: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, pl.DataFrame]:
    return measure(embedders[request.param], dataset, tmp_path_factory.mktemp("measured"))


@pytest.fixture(scope="module")
def measured_llava(
    embedders: dict[str, GenerativeEmbedder], dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, pl.DataFrame]:
    return measure(embedders["llava"], dataset, tmp_path_factory.mktemp("llava"))


def with_queries(dataset: Path, folder: Path, kept: pl.Expr) -> Path:
    """Return a copy of the data set with some of its queries."""
    folder.mkdir()
    shutil.copytree(dataset, folder, dirs_exist_ok=True)
    write_table(folder, "queries", read_table(dataset, "queries").filter(kept))
    return folder


def assert_kept(folder: Path) -> None:
    """Assert that the tables keep their contracts."""
    results = check_artifact("attention", folder)
    assert [result for result in results if not result.success] == []


def test_every_layer_head_source_and_role_has_a_mass(measured: dict[str, pl.DataFrame]) -> None:
    mass = measured["attention_mass"]
    assert mass.height == 3 * CONFIG.samples * tiny.LAYERS * N_HEADS * N_SOURCES * 4
    assert sorted(mass["layer"].unique()) == [1, 2, 3]
    totals = mass.group_by(*KEY, "head").agg(pl.col("mass").sum())["mass"]
    np.testing.assert_allclose(totals, 1.0, atol=1e-5)


def test_what_the_model_refused_is_not_looked_at(
    measured_llava: dict[str, pl.DataFrame], embedders: dict[str, GenerativeEmbedder], dataset: Path, tmp_path: Path
) -> None:
    whole = measured_llava["attention_mass"].select("sample_id", "prompt_id").unique()
    limits = Limits(whole, UNLIMITED.long)
    others = measure(embedders["llava"], dataset, tmp_path / "limited", limits)["attention_mass"]
    assert others.join(whole, on=["sample_id", "prompt_id"], how="semi").is_empty()
    assert others.height == measured_llava["attention_mass"].height


def test_maps_hold_what_goes_to_the_picture(measured: dict[str, pl.DataFrame]) -> None:
    maps, mass = measured["attention_maps"], measured["attention_mass"]
    of_role = mass.filter(pl.col("role") == "image").group_by(KEY).agg(expected=pl.col("mass").mean())
    joined = maps.join(of_role, on=KEY, how="inner", validate="1:1")
    assert joined.height == maps.height == 2 * CONFIG.samples * tiny.LAYERS * N_SOURCES
    np.testing.assert_allclose(joined["mass"], joined["expected"], atol=1e-9)
    np.testing.assert_allclose(maps["weights"].list.sum(), 1.0, atol=1e-5)
    assert (maps["weights"].list.len() == maps["grid_h"] * maps["grid_w"]).all()
    assert not maps["sample_id"].str.starts_with("name:").any()


def test_each_quadrant_is_measured_for_as_many_pictures(measured: dict[str, pl.DataFrame]) -> None:
    quadrants = measured["attention_quadrants"]
    assert quadrants.height == 8 * tiny.LAYERS * N_SOURCES  # nine pictures make one block
    assert quadrants.group_by("quadrant").agg(n=pl.col("sample_id").n_unique())["n"].to_list() == [2] * 4
    assert quadrants.select(pl.col("mass", "control", "art", "words").is_between(0, 1).all()).row(0) == (True,) * 4
    controls = quadrants.group_by("layer", "source").agg(pl.col("control").mean())["control"]
    np.testing.assert_allclose(controls, 0.25, atol=1e-12)


def test_samples_are_test_queries_under_their_own_instruction(measured: dict[str, pl.DataFrame], dataset: Path) -> None:
    test = set(read_table(dataset, "samples").filter(pl.col("split") == "test")["sample_id"])
    for name in TABLES:
        assert set(measured[name]["sample_id"]) <= test
    pairs = measured["attention_mass"].select("sample_id", "prompt_id").unique()
    kinds = pairs.group_by(pl.col("sample_id").str.head(4), "prompt_id").len().sort("prompt_id").rows()
    assert kinds == [("imag", "picture", 3), ("edit", "question", 3), ("name", "sentence", 3)]
    assert set(measured["attention_quadrants"]["prompt_id"]) == {"picture"}


def test_twice_the_same(embedders: dict[str, GenerativeEmbedder], dataset: Path, tmp_path: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "other"):
        measure(embedders["llava"], dataset, folder)
    for name in TABLES:
        one, other = (tmp_path / folder / f"{name}.parquet" for folder in ("one", "other"))
        assert one.read_bytes() == other.read_bytes()


def test_progress_counts_to_the_end(embedders: dict[str, GenerativeEmbedder], dataset: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    measure_attention(embedders["llava"], dataset, UNLIMITED, CONFIG, tmp_path, lambda *numbers: told.append(numbers))
    assert told == [(n, 17) for n in range(1, 18)]


def test_attention_that_follows_the_art_stands_out_from_its_control(
    llava: GenerativeEmbedder, dataset: Path, tmp_path: Path
) -> None:
    """Each of the four image tokens is a quadrant here; the model attends to the one with the darkest pixels."""
    darkest = [0]

    def look(_: torch.nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        cells = arguments[0].sum(dim=1).reshape(2, tiny.PATCH, 2, tiny.PATCH)
        darkest[0] = int(cells.sum(dim=(1, 3)).argmin())

    first = _first_image_token(llava)
    llava._base.vision_tower.register_forward_pre_hook(look)
    with attending_to(llava, lambda: first + darkest[0]):
        quadrants = measure(llava, dataset, tmp_path)["attention_quadrants"]
    assert quadrants.height
    np.testing.assert_allclose(quadrants["mass"], 1.0)
    np.testing.assert_allclose(quadrants["control"], 0.25)
    np.testing.assert_allclose(quadrants["art"], 1.0)
    np.testing.assert_allclose(quadrants["words"], 0.0)


def test_attention_to_a_fixed_place_is_no_different_from_its_control(
    llava: GenerativeEmbedder, dataset: Path, tmp_path: Path
) -> None:
    first = _first_image_token(llava)
    with attending_to(llava, lambda: first + 1):
        quadrants = measure(llava, dataset, tmp_path)["attention_quadrants"]
    expected = (quadrants["quadrant"] == "upper_right").cast(pl.Float64)
    np.testing.assert_allclose(quadrants["mass"], expected)
    np.testing.assert_allclose(quadrants["control"], expected)


def test_attention_beside_the_picture_gives_masses_and_no_maps(
    llava: GenerativeEmbedder, dataset: Path, tmp_path: Path
) -> None:
    with attending_to(llava, lambda: 0):
        tables = measure(llava, dataset, tmp_path)
    template = tables["attention_mass"].filter(pl.col("role") == "template")["mass"]
    np.testing.assert_allclose(template, 1.0)
    assert tables["attention_maps"].is_empty()
    assert tables["attention_quadrants"].is_empty()


def test_a_grid_that_cannot_be_told_leaves_the_masses(
    dataset: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With its class token a Llava has five image tokens a picture."""
    folder = tiny.save_llava(tmp_path)
    for file in ("config.json", "processor_config.json"):
        settings = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps(settings | {"vision_feature_select_strategy": "full"}))
    with caplog.at_level(logging.WARNING, "pipeline_core.attention"):
        tables = measure(load(folder), dataset, tmp_path / "measured")
    assert tables["attention_mass"].height == 3 * CONFIG.samples * tiny.LAYERS * N_HEADS * N_SOURCES * 4
    assert tables["attention_maps"].is_empty()
    assert tables["attention_quadrants"].is_empty()
    assert [record.getMessage().rpartition(": how")[2] for record in caplog.records] == [
        " image tokens lie over a picture cannot be told for 6 samples: no maps"
    ]


def test_a_data_set_without_test_queries_gives_empty_tables(
    embedders: dict[str, GenerativeEmbedder], dataset: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    few = with_queries(dataset, tmp_path / "none", pl.col("split") != "test")
    tables = measure(embedders["llava"], few, tmp_path / "measured")
    assert all(table.is_empty() for table in tables.values())
    assert [message.partition(": ")[2] for message in caplog.messages] == [
        "no task from picture to text or back has test queries: no attention"
    ]
    assert_kept(tmp_path / "measured")


@pytest.mark.parametrize(("task_id", "measured"), [("t->i", {"sentence"}), ("i->t", {"picture"})])
def test_a_data_set_with_one_task_is_measured_for_it(
    task_id: str, measured: set[str], embedders: dict[str, GenerativeEmbedder], dataset: Path, tmp_path: Path
) -> None:
    tables = measure(
        embedders["llava"], with_queries(dataset, tmp_path / "one", pl.col("task_id") == task_id), tmp_path / "measured"
    )
    assert set(tables["attention_mass"]["prompt_id"]) == measured
    assert tables["attention_quadrants"].is_empty() == (task_id == "t->i")


def test_too_few_pictures_leave_the_quadrants_out(
    embedders: dict[str, GenerativeEmbedder], dataset: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = CONFIG.model_copy(update={"quadrant_samples": 7})
    measure_attention(embedders["llava"], dataset, UNLIMITED, config, tmp_path, lambda *_: None)
    assert read_table(tmp_path, "attention_quadrants").is_empty()
    assert not read_table(tmp_path, "attention_maps").is_empty()
    assert [m.partition(": ")[2] for m in caplog.messages] == ["7 pictures, where quadrants need 8: no quadrants"]


def test_a_model_without_weights_gives_empty_tables(
    folders: dict[str, Path], dataset: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tables = measure(load(folders["llava"], attention="sdpa"), dataset, tmp_path / "measured")
    assert all(table.is_empty() for table in tables.values())
    (message,) = caplog.messages
    assert "no attention is measured, since" in message
    assert "does not return its attention weights" in message
    assert_kept(tmp_path / "measured")


def test_weights_that_are_not_finite_are_still_an_error(
    llava: GenerativeEmbedder, dataset: Path, tmp_path: Path
) -> None:
    llava._decoder.layers[1].self_attn.q_proj.weight.fill_(torch.inf)
    with pytest.raises(ModelError, match="not finite"):
        measure(llava, dataset, tmp_path)


def test_layers_may_differ_in_their_number_of_heads(
    llava: GenerativeEmbedder, measured_llava: dict[str, pl.DataFrame], dataset: Path, tmp_path: Path
) -> None:
    """The second layer shows its first head only; states go on as they were."""

    def drop(
        _: torch.nn.Module, __: tuple[torch.Tensor, ...], output: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        states, weights = output
        return states, weights[:, :1]

    llava._decoder.layers[1].self_attn.register_forward_hook(drop)
    found = measure(llava, dataset, tmp_path)["attention_mass"]
    expected = measured_llava["attention_mass"].filter((pl.col("layer") != 2) | (pl.col("head") == 0))
    assert_frame_equal(found, expected)


@pytest.mark.parametrize("modality", TASK_TYPES)
def test_the_choice_is_stable_sorted_and_follows_its_seed(modality: str, dataset: Path) -> None:
    tables = DatasetTables.read(dataset)
    chosen = {
        (seed, purpose): [item.sample_id for item in choose_requests(tables, modality, 4, seed, purpose)]
        for seed in range(4)
        for purpose in ("attention", "other")
    }
    for (seed, purpose), ids in chosen.items():
        assert ids == sorted(set(ids))
        assert len(ids) == 4
        assert ids == [item.sample_id for item in choose_requests(tables, modality, 4, seed, purpose)]
    assert len({tuple(ids) for ids in chosen.values()}) > 1
    everything = choose_requests(tables, modality, 1000, 0, "attention")
    assert [item.modality for item in everything] == [modality] * 9


def _first_image_token(embedder: GenerativeEmbedder) -> int:
    batch = embedder.prepare([SampleInput("s", "p", tiny.picture(0), None, "Summarize the above picture:")])
    return int(np.argmax(batch.roles[0] == IMAGE))
