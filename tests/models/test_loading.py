"""A model loaded as a user's folder is: what cannot be loaded, or not there, is told in one line."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline_core.errors import ModelError
from pipeline_core.models.embedder import AttendingEmbedder
from pipeline_core.models.facts import describe_model
from pipeline_core.models.loading import load_embedder
from pipeline_core.models.settings import ModelSettings
from tests.models import tiny


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
    sizes = tiny.load(folder, max_pixels=4 * tiny.PATCH**2)._processor.image_processor.size
    assert (sizes["shortest_edge"], sizes["longest_edge"]) == (tiny.PATCH**2, 4 * tiny.PATCH**2)


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there_is_told_in_one_line(llava_folder: Path, tmp_path: Path, device: str) -> None:
    settings = ModelSettings(name=str(llava_folder))
    with pytest.raises(ModelError, match=f"cannot run on the device {device!r}") as caught:
        load_embedder(settings, describe_model(settings), device, tmp_path)
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
