"""How large a model is, told without loading it: counted in its files, or reckoned from its config."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoModelForImageTextToText

from pipeline_core.errors import ModelError
from pipeline_core.models.facts import describe_model
from pipeline_core.models.families import FAMILIES
from pipeline_core.models.settings import ModelSettings
from pipeline_core.models.size import ModelSize, model_size
from pipeline_core.reference.names import resolve_reference
from pipeline_core.user_cache import user_cache
from tests.models import tiny
from tests.shared import swell

QWEN2_VL_7B = {
    "model_type": "qwen2_vl",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "tie_word_embeddings": False,
    "vision_config": {"depth": 32, "embed_dim": 1280, "patch_size": 14, "spatial_merge_size": 2},
}


def size(folder: Path) -> ModelSize | None:
    facts = describe_model(ModelSettings(name=str(folder)))
    return FAMILIES[facts.family].size(facts)


def test_weights_are_counted_in_the_headers_of_their_files(tmp_path: Path) -> None:
    folder = tiny.save_llava(tmp_path)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    numbers = sum(weight.numel() for weight in model.parameters())
    assert size(folder) == ModelSize(numbers, True, tiny.WIDTH, tiny.LAYERS, 48, tiny.N_PATCHES)


def test_a_header_that_is_larger_than_one_can_be_is_not_read(tmp_path: Path) -> None:
    folder = tiny.save_llava(tmp_path)
    swell(folder / "model.safetensors")
    found = size(folder)
    assert found is not None
    assert not found.counted


def test_without_weights_a_config_is_reckoned_with(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(QWEN2_VL_7B))
    found = size(tmp_path)
    assert found is not None
    assert not found.counted
    assert (found.width, found.n_layers) == (3584, 28)
    # What the makers' index of the weights sums up to.
    assert found.numbers == pytest.approx(8_291_375_616, rel=0.02)


@pytest.mark.parametrize("width", [None, "wide", True, -1, 0, 10**400, 3.5, [3584]])
def test_a_config_without_widths_is_refused(width: object, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(QWEN2_VL_7B | {"hidden_size": width}))
    with pytest.raises(ModelError, match="tells no widths"):
        size(tmp_path)


@pytest.mark.parametrize("name", ["reference-mllm", "reference-contrastive"])
def test_the_reference_models_are_as_large_as_they_say(name: str) -> None:
    facts = describe_model(ModelSettings(name=name))
    told = FAMILIES[facts.family].size(facts)
    assert told is not None
    found = model_size(facts, resolve_reference(name, user_cache("models")))
    # The tower of the dual encoder gives no tokens: its config tells none.
    assert replace(found, picture_tokens=told.picture_tokens) == told
