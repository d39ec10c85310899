"""A model loaded as a user's folder is: what cannot be loaded, or not there, is told in one line."""

import json
import logging
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AlignConfig, AlignModel, AutoModelForImageTextToText, PreTrainedModel

from pipeline_core.errors import ConfigError, ModelError
from pipeline_core.models.embedder import AttendingEmbedder
from pipeline_core.models.facts import describe_model
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.loading import load_embedder
from pipeline_core.models.samples import SampleInput
from pipeline_core.models.settings import ModelSettings
from pipeline_core.models.trial import roles_are_plausible
from tests.models import tiny

HEAD = "language_model.lm_head.weight"
QUERY = "language_model.model.layers.0.self_attn.q_proj.weight"
KEY = "language_model.model.layers.0.self_attn.k_proj.weight"


def changed(folder: Path, copy: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    """Copy a model with its weights changed."""
    shutil.copytree(folder, copy)
    weights = load_file(copy / "model.safetensors")
    change(weights)
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    return copy


def reconfigure(folder: Path, **values: Any) -> None:
    """Change a model's config."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


def vectors(folder: Path) -> Any:
    """Embed a picture and a text with the model of a folder."""
    embedder = tiny.load(folder)
    representation = embedder.representations(None)[-1]
    samples = [SampleInput("p", "none", tiny.picture(0)), SampleInput("t", "none", None, "a red heart")]
    return embedder.embed(samples, [representation], ()).vectors


def test_a_folder_without_weights_is_told_in_one_line(tmp_path: Path) -> None:
    folder = tiny.save_clip(tmp_path)
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        tiny.load(folder)
    assert "\n" not in str(caught.value)


def test_pixel_limits_are_refused_where_resolution_is_fixed(llava_folder: Path) -> None:
    with pytest.raises(ModelError, match="fixed resolution"):
        tiny.load(llava_folder, max_pixels=1000)


def test_pixel_limits_decide_how_many_tokens_a_picture_has(tmp_path: Path) -> None:
    folder = tiny.save_paddle(tmp_path)
    sizes = tiny.load(folder, max_pixels=4 * tiny.PATCH**2).processor.image_processor.size
    assert (sizes["shortest_edge"], sizes["longest_edge"]) == (tiny.PATCH**2, 4 * tiny.PATCH**2)


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there_is_told_in_one_line_and_nothing_is_loaded(device: str) -> None:
    facts = describe_model(ModelSettings())
    with pytest.raises(ConfigError, match=rf"^placement\.device is {device}, .* has cpu.*; choose") as caught:
        load_embedder(ModelSettings(), replace(facts, place="/no/such/folder"), device, Path())
    assert "\n" not in str(caught.value)


def test_the_facts_decide_attention_and_precision(llava_folder: Path, tmp_path: Path) -> None:
    settings = ModelSettings(name=str(llava_folder))
    facts = replace(describe_model(settings), attention="eager", dtype="bfloat16")
    model = load_embedder(settings, facts, "cpu", tmp_path)._base
    assert model.config.get_text_config()._attn_implementation == "eager"
    assert str(model.dtype) == "torch.bfloat16"


def test_what_attends_can_be_asked_for(llava_folder: Path, tmp_path: Path) -> None:
    assert isinstance(tiny.load(llava_folder), AttendingEmbedder)
    assert not isinstance(tiny.load(tiny.save_clip(tmp_path)), AttendingEmbedder)


def test_missing_weights_are_told_and_counted_never_random(llava_folder: Path, tmp_path: Path) -> None:
    folder = changed(llava_folder, tmp_path / "lame", lambda weights: (weights.pop(QUERY), weights.pop(HEAD)))
    with pytest.raises(ModelError, match=r"lacks 1 of the weights .*layers\.0\.self_attn\.q_proj\.weight; ") as caught:
        tiny.load(folder)
    assert "\n" not in str(caught.value) and "lm_head" not in str(caught.value)


def test_weights_of_another_shape_are_told(llava_folder: Path, tmp_path: Path) -> None:
    folder = changed(llava_folder, tmp_path / "other", lambda weights: weights.update({KEY: torch.zeros(3, 3)}))
    with pytest.raises(ModelError, match=r"1 of the weights .*config does not give: .*k_proj\.weight \[3, 3\]; use"):
        tiny.load(folder)


def test_a_module_that_a_class_goes_without_is_left_out_and_the_vectors_are_the_same(
    llava_folder: Path, tmp_path: Path
) -> None:
    """A head of the tower, layers that guess ahead, numbers that the model makes itself: checkpoints have them."""

    def add(weights: dict[str, torch.Tensor]) -> None:
        weights["vision_tower.vision_model.head.weight"] = torch.ones(2)
        weights["mtp.layers.0.weight"] = torch.ones(2)
        weights["vision_tower.vision_model.embeddings.position_ids"] = torch.arange(2)

    copy = changed(llava_folder, tmp_path / "more", add)
    assert np.array_equal(vectors(copy), vectors(llava_folder))


def test_a_dual_encoder_without_its_projection_is_refused_but_not_without_the_scale_of_its_loss(tmp_path: Path) -> None:
    clip = tiny.save_clip(tmp_path / "clip")
    bare = changed(clip, tmp_path / "bare", lambda weights: weights.pop("visual_projection.weight"))
    with pytest.raises(ModelError, match=r"lacks 1 of the weights that embedding needs: visual_projection\.weight"):
        tiny.load(bare)
    scaleless = changed(clip, tmp_path / "scaleless", lambda weights: weights.pop("logit_scale"))
    np.testing.assert_allclose(vectors(scaleless), vectors(clip), atol=1e-5)


def headless(folder: Path, copy: Path) -> None:
    AutoModelForImageTextToText.from_pretrained(folder).model.save_pretrained(copy)


def newer(folder: Path, copy: Path) -> None:
    weights = AutoModelForImageTextToText.from_pretrained(folder).state_dict()
    save_file(weights, copy / "model.safetensors", {"format": "pt"})


def sharded(folder: Path, copy: Path) -> None:
    AutoModelForImageTextToText.from_pretrained(folder).save_pretrained(copy, max_shard_size="20KB")
    assert len(list(copy.glob("model-*.safetensors"))) > 2


def pickled(folder: Path, copy: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), copy / "pytorch_model.bin")


def pickled_in_shards(folder: Path, copy: Path) -> None:
    weights, half = load_file(folder / "model.safetensors"), {}
    for n, key in enumerate(weights):
        half.setdefault(f"pytorch_model-{n % 2}.bin", {})[key] = weights[key]
    for name, part in half.items():
        torch.save(part, copy / name)
    index = {"metadata": {}, "weight_map": {key: name for name, part in half.items() for key in part}}
    (copy / "pytorch_model.bin.index.json").write_text(json.dumps(index))


def pickled_alone(folder: Path, copy: Path) -> None:
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.safetensors"))
    pickled(folder, copy)


@pytest.mark.parametrize("save", [headless, newer, sharded, pickled, pickled_in_shards])
def test_every_layout_of_weights_gives_the_same_vectors(save: Any, llava_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(llava_folder, copy, ignore=shutil.ignore_patterns("*.safetensors"))
    save(llava_folder, copy)
    np.testing.assert_allclose(vectors(copy), vectors(llava_folder), atol=1e-5)


def test_tied_weights_are_not_missing(llava_folder: Path, tmp_path: Path) -> None:
    folder = changed(llava_folder, tmp_path / "tied", lambda weights: weights.pop(HEAD))
    config = json.loads((folder / "config.json").read_text())
    tied = {"tie_word_embeddings": True}
    reconfigure(folder, **tied, text_config=config["text_config"] | tied)
    np.testing.assert_allclose(vectors(folder), vectors(llava_folder), atol=1e-5)


@pytest.mark.parametrize(("files", "named"), [("token*", "tokenizer.json"), ("processor_config.json", "preprocessor_")])
def test_a_missing_file_beside_the_weights_is_named(files: str, named: str, llava_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(llava_folder, copy, ignore=shutil.ignore_patterns(files))
    with pytest.raises(ModelError, match=f"cannot be loaded: there is no {named}"):
        tiny.load(copy)


def test_of_several_templates_the_default_is_taken(llava_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(llava_folder, copy)
    (copy / "additional_chat_templates").mkdir()
    (copy / "additional_chat_templates" / "tool_use.jinja").write_text("{{ raise_exception('not this one') }}")
    np.testing.assert_array_equal(vectors(copy), vectors(llava_folder))


def test_a_model_without_a_template_is_told_of_unless_its_family_has_none(
    llava_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(llava_folder, copy, ignore=shutil.ignore_patterns("chat_template*"))
    with caplog.at_level(logging.WARNING):
        tiny.load(tiny.save_paligemma(tmp_path / "paligemma"))
        assert "chat template" not in caplog.text
        assert isinstance(bare := tiny.load(copy), GenerativeEmbedder)
    assert f"{copy} has no chat template: it is given words and pictures without a turn" in caplog.text
    assert "no chat template lays them out" in roles_are_plausible(bare).found


def test_attention_falls_back_where_a_model_has_no_other_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tiny.save_clip(tmp_path)
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    AlignModel(AlignConfig(text_config=text | {"vocab_size": 500})).save_pretrained(folder)
    with caplog.at_level(logging.WARNING):
        embedder = tiny.load(folder)
    assert embedder.facts.attention == "eager"
    assert f"{folder} has no sdpa attention: it runs with eager" in caplog.messages


def scaled(weights: dict[str, torch.Tensor], plain: bool, name: str = "weight_scale_inv") -> None:
    """Round matrices to eight bits: with their scales beside them, or ``plain``, multiplied by them again."""
    for key in [key for key in weights if key.startswith("language_model") and key.endswith("_proj.weight")]:
        scale = weights[key].abs().max() / 448
        eighth = (weights[key] / scale).to(torch.float8_e4m3fn)
        weights[key] = eighth.float() * scale if plain else eighth
        if not plain:
            weights[key.replace("weight", name)] = scale.reshape(1, 1)


def test_eight_bit_weights_are_loaded_with_their_scales(llava_folder: Path, tmp_path: Path) -> None:
    plain = changed(llava_folder, tmp_path / "plain", lambda weights: scaled(weights, plain=True))
    folder = changed(llava_folder, tmp_path / "fp8", lambda weights: scaled(weights, plain=False))
    kept = ["vision_tower", "multi_modal_projector", "lm_head"]
    fp8 = {"quant_method": "fp8", "weight_block_size": [128, 128], "modules_to_not_convert": kept}
    reconfigure(folder, quantization_config=fp8)
    np.testing.assert_allclose(vectors(folder), vectors(plain), atol=1e-5)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"quantization_config": {"quant_method": "modelopt", "quant_algo": "FP8"}}, "quantised by modelopt, which tr"),
        ({}, r"21 of the weights of .* are quantised \(F8_E4M3\), and its config says not how: language_model"),
    ],
)
def test_eight_bit_weights_whose_scales_nobody_applies_are_refused(
    said: dict[str, Any], words: str, llava_folder: Path, tmp_path: Path
) -> None:
    folder = changed(llava_folder, tmp_path / "fp8", lambda weights: scaled(weights, False, "weight_scale"))
    reconfigure(folder, **said)
    with pytest.raises(ModelError, match=words + ".*; name a copy that is not quantised"):
        tiny.load(folder)


def test_whole_numbers_in_place_of_weights_are_refused(llava_folder: Path, tmp_path: Path) -> None:
    folder = changed(
        llava_folder, tmp_path / "int8", lambda weights: weights.update({QUERY: weights[QUERY].to(torch.int8)})
    )
    with pytest.raises(ModelError, match=r"1 of the weights of .* are quantised \(I8\), and its config says not how"):
        tiny.load(folder)


@pytest.mark.parametrize(
    ("method", "package"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes"),
        ({"quant_method": "compressed-tensors", "format": "int-quantized", "config_groups": {}}, "compressed-tensors"),
        ({"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"}, "gptqmodel"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "optimum"),
    ],
)
def test_a_package_that_quantised_weights_need_is_named(
    method: dict[str, Any], package: str, llava_folder: Path, tmp_path: Path
) -> None:
    folder = changed(llava_folder, tmp_path / "four", lambda weights: None)
    reconfigure(folder, quantization_config=method)
    with pytest.raises(ModelError, match=rf"pip install .*{package}.*; install the package that it names") as caught:
        tiny.load(folder)
    assert "\n" not in str(caught.value)


def test_models_that_threads_load_at_once_leave_transformers_as_it_was(llava_folder: Path) -> None:
    ties = PreTrainedModel.tie_weights
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(tiny.load, [llava_folder] * 8))
    assert PreTrainedModel.tie_weights is ties


ON_DISK = {
    "model.vision_tower": "disk",
    "model.multi_modal_projector": "cpu",
    "model.language_model.embed_tokens": "disk",
    "model.language_model.layers.0": "cpu",
    "model.language_model.layers.1": "disk",
    "model.language_model.layers.2": "cpu",
    "model.language_model.norm": "disk",
    "model.language_model.rotary_emb": "cpu",
    "lm_head": "disk",
}


@pytest.mark.parametrize("device_map", ["auto", ON_DISK])
@pytest.mark.parametrize("save", [shutil.copytree, pickled_alone])
def test_a_model_that_is_spread_gives_the_states_of_every_layer(
    device_map: Any, save: Any, llava_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(llava_folder, tmp_path / "copy")
    settings = ModelSettings(name=str(tmp_path / "copy"))
    with caplog.at_level(logging.WARNING):
        spread = load_embedder(settings, describe_model(settings), "cpu", tmp_path, device_map)
    whole, roles = tiny.load(llava_folder), ("image", "text", "prompt", "template")
    samples = [
        SampleInput("p", "x", tiny.picture(0), None, "Summarize:", keeps_states=True),
        SampleInput("t", "x", None, "a red heart", "Summarize:", keeps_states=True),
        SampleInput("b", "x", tiny.picture(1), "with dark skin", "Summarize:", keeps_states=True),
    ]
    mine, wanted = (one.embed(samples, whole.representations(1), roles) for one in (spread, whole))
    np.testing.assert_allclose(mine.vectors, wanted.vectors, atol=1e-5)
    for kept, right in zip(mine.tokens, wanted.tokens, strict=True):
        np.testing.assert_allclose(kept.states, right.states, atol=1e-5)
    assert any("is spread over disk (5 parts), cpu (4 parts)" in line for line in caplog.messages) == (
        device_map == ON_DISK
    )


def test_a_dual_encoder_that_is_spread_gives_the_same_vectors(tmp_path: Path) -> None:
    folder = tiny.save_clip(tmp_path / "clip")
    parts = {"text_model": "disk", "vision_model": "disk", "visual_projection": "cpu", "text_projection": "cpu"}
    settings = ModelSettings(name=str(folder))
    spread = load_embedder(settings, describe_model(settings), "cpu", tmp_path, parts | {"logit_scale": "cpu"})
    samples = [SampleInput("p", "none", tiny.picture(0)), SampleInput("t", "none", None, "a red heart")]
    representations = spread.representations(None)
    wanted = tiny.load(folder).embed(samples, representations, ()).vectors
    np.testing.assert_allclose(spread.embed(samples, representations, ()).vectors, wanted, atol=1e-5)
