"""Names of models: kinds, identities, and errors of one line."""

import shutil
from pathlib import Path

import pytest
from transformers import BertConfig

from pipeline_core.config import ModelConfig
from pipeline_core.errors import ModelError
from pipeline_core.models.registry import is_contrastive, load_adapter, model_identity
from tests.models import tiny


def test_kinds_are_told_from_the_config_alone(tmp_path: Path, llava_folder: Path) -> None:
    clip = tiny.save_clip(tmp_path)
    for weights in clip.glob("*.safetensors"):
        weights.unlink()
    assert is_contrastive(ModelConfig(name=str(clip)))
    assert not is_contrastive(ModelConfig(name=str(llava_folder)))
    assert is_contrastive(ModelConfig(name="reference-contrastive"))
    assert not is_contrastive(ModelConfig(name="reference-mllm"))


def test_the_kind_can_be_set(llava_folder: Path) -> None:
    assert is_contrastive(ModelConfig(name=str(llava_folder), kind="contrastive"))


def test_identity_of_a_folder_follows_its_files(tmp_path: Path, llava_folder: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(llava_folder, copy)
    original = model_identity(ModelConfig(name=str(llava_folder)))
    assert model_identity(ModelConfig(name=str(copy))) == original
    (copy / "config.json").write_text((copy / "config.json").read_text() + "\n")
    assert model_identity(ModelConfig(name=str(copy))) != original


@pytest.mark.parametrize("name", ["no-such-model", "/no/such/folder"])
def test_an_unknown_model_is_told_in_one_line(name: str, tmp_path: Path) -> None:
    for ask in (is_contrastive, model_identity, lambda config: load_adapter(config, tmp_path)):
        with pytest.raises(ModelError) as caught:
            ask(ModelConfig(name=name))
        assert name in str(caught.value)
        assert "use reference-mllm or reference-contrastive" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="neither generates text from pictures nor embeds both"):
        is_contrastive(ModelConfig(name=str(tmp_path)))


def test_a_folder_without_weights_is_told_in_one_line(tmp_path: Path) -> None:
    folder = tiny.save_clip(tmp_path)
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        load_adapter(ModelConfig(name=str(folder)), tmp_path)
    assert "\n" not in str(caught.value)


def test_pixel_limits_are_refused_where_resolution_is_fixed(llava_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="fixed resolution"):
        load_adapter(ModelConfig(name=str(llava_folder), max_pixels=1000), tmp_path)


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there_is_told_in_one_line(llava_folder: Path, tmp_path: Path, device: str) -> None:
    with pytest.raises(ModelError, match=f"cannot run on the device '{device}'") as caught:
        load_adapter(ModelConfig(name=str(llava_folder), device=device), tmp_path)
    assert "\n" not in str(caught.value)
