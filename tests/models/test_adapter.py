"""A low-rank adapter over its base model: the same as the base with its weights changed by hand, or refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline_core.errors import ModelError
from pipeline_core.models.facts import describe_model, pinned
from pipeline_core.models.loading import load_embedder
from pipeline_core.models.samples import SampleInput
from pipeline_core.models.settings import ModelSettings
from tests.models import tiny
from tests.models.breaking import Break, cut
from tests.shared import swell

OLD, NEW = "language_model.model.layers.1.", "model.language_model.layers.1."
RANK, ALPHA = 2, 3.0


def save_adapter(folder: Path, base: Path, prefix: str = OLD, **told: Any) -> dict[str, torch.Tensor]:
    """Save an adapter of two matrices as peft does, and return the products of its pairs."""
    folder.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    tensors, products = {}, {}
    for module, rows in (("self_attn.q_proj", 24), ("self_attn.v_proj", 12)):
        down, up = (torch.randn(shape, generator=generator) for shape in ((RANK, 24), (rows, RANK)))
        tensors[f"base_model.model.{prefix}{module}.lora_A.weight"] = down
        tensors[f"base_model.model.{prefix}{module}.lora_B.weight"] = up
        products[f"{OLD}{module}.weight"] = up @ down
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    config = {"peft_type": "LORA", "base_model_name_or_path": str(base), "lora_alpha": ALPHA, "r": RANK, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config | told))
    return products


def vectors(folder: Path) -> Any:
    embedder = tiny.load(folder)
    representation = embedder.representations(None)[-1]
    sample = SampleInput("b", "none", tiny.picture(0), "a red heart")
    return embedder.embed([sample], [representation], ()).vectors


@pytest.mark.parametrize("prefix", [OLD, NEW])
@pytest.mark.parametrize(("told", "scale"), [({}, ALPHA / RANK), ({"use_rslora": True}, ALPHA / RANK**0.5)])
def test_an_adapter_is_merged_into_its_base(
    prefix: str, told: dict[str, Any], scale: float, llava_folder: Path, tmp_path: Path
) -> None:
    products = save_adapter(tmp_path / "adapter", llava_folder, prefix, **told)
    shutil.copytree(llava_folder, tmp_path / "merged")
    weights = load_file(tmp_path / "merged" / "model.safetensors")
    for key, product in products.items():
        weights[key] += scale * product
    save_file(weights, tmp_path / "merged" / "model.safetensors", {"format": "pt"})
    merged = vectors(tmp_path / "adapter")
    np.testing.assert_allclose(merged, vectors(tmp_path / "merged"), atol=1e-4)
    assert np.abs(merged - vectors(llava_folder)).max() > 1e-2


@pytest.mark.parametrize("ending", ["", ".weight"])
def test_a_weight_decomposed_adapter_gives_each_row_its_length(ending: str, llava_folder: Path, tmp_path: Path) -> None:
    adapter, merged = tmp_path / "adapter", tmp_path / "merged"
    products = save_adapter(adapter, llava_folder, use_dora=True)
    tensors = load_file(adapter / "adapter_model.safetensors")
    shutil.copytree(llava_folder, merged)
    weights = load_file(merged / "model.safetensors")
    for key, product in products.items():
        directions = torch.nn.functional.normalize(weights[key] + ALPHA / RANK * product, dim=1)
        lengths = torch.linspace(0.1, 2.0, len(product))
        weights[key] = torch.diag(lengths) @ directions
        tensors[f"base_model.model.{key.removesuffix('.weight')}.lora_magnitude_vector{ending}"] = lengths
    save_file(weights, merged / "model.safetensors", {"format": "pt"})
    save_file(tensors, adapter / "adapter_model.safetensors", {"format": "pt"})
    np.testing.assert_allclose(vectors(adapter), vectors(merged), atol=1e-4)
    assert np.abs(vectors(adapter) - vectors(llava_folder)).max() > 1e-2


def test_both_are_in_the_identity(llava_folder: Path, tmp_path: Path) -> None:
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    shutil.copytree(llava_folder, base)
    save_adapter(adapter, base)
    settings = ModelSettings(name=str(adapter))
    first = describe_model(settings)
    assert (first.name, first.place, first.kind) == (str(adapter), str(base), "generative")
    save_adapter(adapter, base, lora_alpha=4)
    second = describe_model(settings)
    (base / "config.json").write_text((base / "config.json").read_text() + "\n")
    assert len({first.identity, second.identity, describe_model(settings).identity}) == 3


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"use_dora": True}, "pairs of lora_A and lora_B, with lengths in DoRA alone; merge it with the package peft"),
        ({"peft_type": "IA3"}, "of the kind IA3"),
        ({"init_lora_weights": "pissa_niter_4"}, "with init_lora_weights pissa_niter_4"),
        ({"alora_invocation_tokens": [1]}, "with alora_invocation_tokens"),
        ({"bias": "all"}, "with bias"),
        ({"prefix": "no.such.layer."}, "no.such.layer.self_attn.q_proj is no matrix of its base"),
        ({"base_model_name_or_path": "/gone"}, "needs its base: there is no model '/gone'"),
        ({"base_model_name_or_path": None}, "adapter_config.json names no base model"),
    ],
)
def test_what_cannot_be_merged_is_told(told: dict[str, Any], words: str, llava_folder: Path, tmp_path: Path) -> None:
    save_adapter(tmp_path, llava_folder, told.pop("prefix", OLD), **told)
    with pytest.raises(ModelError) as caught:
        tiny.load(tmp_path)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("base", "start"), [("../llava", "elsewhere"), ("llava", ".")])
def test_a_base_is_found_from_the_adapter_s_folder_or_the_current_one_and_kept(
    base: str, start: str, llava_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(llava_folder, tmp_path / "llava")
    save_adapter(tmp_path / "adapter", llava_folder, base_model_name_or_path=base)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / start)
    settings = ModelSettings(name=str(tmp_path / "adapter"))
    facts = describe_model(settings)
    assert facts.place == str(tmp_path / "llava")
    monkeypatch.chdir("/")
    assert describe_model(pinned(settings, facts)) == facts


def test_a_base_that_is_not_where_the_adapter_says_can_be_named(llava_folder: Path, tmp_path: Path) -> None:
    save_adapter(tmp_path, llava_folder, base_model_name_or_path="/gone")
    with pytest.raises(
        ModelError, match=r"needs its base: there is no model '/gone'; .*; model\.base says where it is"
    ):
        tiny.load(tmp_path)
    assert tiny.load(tmp_path, base=str(llava_folder)).facts.place == str(llava_folder)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda folder: swell(folder / "adapter_model.safetensors"), "its header would have 20 MB"),
        (cut("adapter_model.safetensors", 0.9), "adapter_model.safetensors is damaged"),
    ],
)
def test_weights_that_are_none_are_told(broken: Break, words: str, llava_folder: Path, tmp_path: Path) -> None:
    save_adapter(tmp_path, llava_folder)
    broken(tmp_path)
    with pytest.raises(ModelError, match=words) as caught:
        tiny.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_adapter_without_weights_or_beside_a_whole_model_is_told(llava_folder: Path, tmp_path: Path) -> None:
    save_adapter(tmp_path, llava_folder)
    (tmp_path / "adapter_model.safetensors").rename(tmp_path / "aside")
    with pytest.raises(ModelError, match=r"no adapter_model\.safetensors"):
        tiny.load(tmp_path)
    shutil.copytree(llava_folder, tmp_path, dirs_exist_ok=True)
    with pytest.raises(ModelError, match="holds an adapter and a whole model"):
        tiny.load(tmp_path)


def test_an_adapter_over_weights_on_the_disk_is_refused(llava_folder: Path, tmp_path: Path) -> None:
    save_adapter(tmp_path / "adapter", llava_folder)
    settings = ModelSettings(name=str(tmp_path / "adapter"))
    parts = {"model": "disk", "lm_head": "cpu"}
    with pytest.raises(ModelError, match=r"q_proj was left on the disk by placement\.device_map; merge it with"):
        load_embedder(settings, describe_model(settings), "cpu", tmp_path, parts)
