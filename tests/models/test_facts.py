"""What is told of a model before it is loaded: kinds, families, identities, commits, and errors of one line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import BertConfig

from pipeline_core.errors import ModelError
from pipeline_core.models.facts import ModelFacts, describe_model, pinned
from pipeline_core.models.settings import ModelSettings
from tests.models import tiny


def describe(name: Path | str, **options: Any) -> ModelFacts:
    return describe_model(ModelSettings(name=str(name), **options))


def without_weights(folder: Path) -> Path:
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    return folder


@pytest.mark.parametrize(
    ("save", "family", "kind"),
    [
        (tiny.save_llava, "llava", "generative"),
        (tiny.save_paddle, "image_text_to_text", "generative"),
        (tiny.save_paligemma, "paligemma", "generative"),
        (tiny.save_clip, "clip", "contrastive"),
        (tiny.save_siglip, "siglip", "contrastive"),
    ],
)
def test_families_are_told_from_the_config_alone(save: Any, family: str, kind: str, tmp_path: Path) -> None:
    facts = describe(without_weights(save(tmp_path)), dtype="bfloat16", attention="eager")
    assert (facts.family, facts.kind) == (family, kind)
    assert facts.has_tokens == facts.prompts == (kind == "generative")
    assert (facts.revision, facts.dtype, facts.attention) == (None, "bfloat16", "eager")


@pytest.mark.parametrize(("name", "kind"), [("reference-mllm", "generative"), ("reference-contrastive", "contrastive")])
def test_reference_models_are_known_by_name(name: str, kind: str) -> None:
    facts = describe(name)
    assert (facts.family, facts.kind, facts.place) == ("reference", kind, name)
    assert facts.identity.startswith("reference:")


def test_the_kind_can_be_set(llava_folder: Path, tmp_path: Path) -> None:
    facts = describe(llava_folder, kind="contrastive")
    assert (facts.family, facts.kind, facts.has_tokens) == ("dual_encoder", "contrastive", False)
    assert describe(tiny.save_siglip(tmp_path), kind="contrastive").family == "siglip"


def test_identity_of_a_folder_follows_its_files(tmp_path: Path, llava_folder: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(llava_folder, copy)
    original = describe(llava_folder).identity
    assert describe(copy).identity == original
    (copy / "config.json").write_text((copy / "config.json").read_text() + "\n")
    assert describe(copy).identity != original


def test_a_relative_path_is_loaded_from_wherever_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.save_clip(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    facts = describe("mine")
    assert (facts.name, facts.place) == ("mine", str(tmp_path.resolve() / "mine"))


@pytest.mark.parametrize("name", ["no-such-model", "/no/such/folder", "./nor/this"])
def test_an_unknown_model_is_told_in_one_line(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        describe(name)
    assert name in str(caught.value)
    assert "use reference-mllm or reference-contrastive" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a" * 5000, "~nobody-of-that-name/model", "two words/model", "a\0b", "a//b"])
def test_a_name_that_can_be_none_is_told_in_one_line(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        describe(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("config", [None, "no JSON", "[]"])
def test_a_folder_without_a_config_is_told_in_one_line(config: str | None, tmp_path: Path) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        describe(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"\(bert\) neither generates text from pictures nor embeds both"):
        describe(tmp_path)


def test_a_type_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "unheard_of"}')
    with pytest.raises(ModelError, match=r"\(unheard_of\) neither"):
        describe(tmp_path)


def ask_apart(code: str, **environment: str) -> str:
    """Run code in a process of its own and return what it prints."""
    code = f"""
import sys
from pipeline_core.models.facts import describe_model
from pipeline_core.models.settings import ModelSettings
def libraries():
    return {{'torch', 'transformers'}} & sys.modules.keys()
{code}
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_what_is_named_or_was_described_before_loads_no_model_library(tmp_path: Path) -> None:
    general = tiny.save_paddle(tmp_path / "general")
    siglip = tiny.save_siglip(tmp_path / "siglip")
    named = f"""
for name in ('reference-mllm', 'reference-contrastive', {str(siglip)!r}):
    describe_model(ModelSettings(name=name))
assert not libraries(), name
"""
    ask_apart(named)
    told = f"print(describe_model(ModelSettings(name={str(general)!r})), len(libraries()))"
    first, second = (ask_apart(told, XDG_CACHE_HOME=str(tmp_path / "cache")) for _ in range(2))
    assert first.endswith(" 2\n") and second.endswith(" 0\n")
    assert first.removesuffix(" 2\n") == second.removesuffix(" 0\n")


def test_auto_is_the_precision_of_the_checkpoint(tmp_path: Path, llava_folder: Path) -> None:
    config = json.loads((llava_folder / "config.json").read_text())
    shutil.copytree(llava_folder, tmp_path, dirs_exist_ok=True)
    for told in ({"dtype": "bfloat16"}, {"torch_dtype": "bfloat16"}):
        rest = {key: value for key, value in config.items() if key != "dtype"}
        (tmp_path / "config.json").write_text(json.dumps(rest | told))
        assert describe(tmp_path, dtype="auto").dtype == "bfloat16"
    (tmp_path / "config.json").write_text(json.dumps(rest))
    halved = {key: value.half() for key, value in load_file(tmp_path / "model.safetensors").items()}
    save_file(halved, tmp_path / "model.safetensors", {"format": "pt"})
    assert describe(tmp_path, dtype="auto").dtype == "float16"
    assert describe("reference-mllm", dtype="auto").dtype == "float32"
    with pytest.raises(ModelError, match=r"precision of the model .* cannot be told; set model\.dtype"):
        describe(without_weights(tmp_path), dtype="auto")
    (tmp_path / "config.json").write_text(json.dumps(rest | {"dtype": "float64"}))
    with pytest.raises(ModelError, match=r"cannot be told \(float64\); set model\.dtype"):
        describe(tmp_path, dtype="auto")


def test_auto_and_the_precision_itself_are_one_key(tmp_path: Path) -> None:
    folder = tiny.save_clip(tmp_path)
    told, auto = (ModelSettings(name=str(folder), dtype=dtype) for dtype in ("float32", "auto"))
    assert pinned(auto, describe_model(auto)) == pinned(told, describe_model(told))


def test_what_is_kept_of_a_relative_path_leads_there_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.save_clip(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    given = ModelSettings(name="mine")
    kept = pinned(given, describe_model(given))
    monkeypatch.chdir("/")
    assert (kept.name, kept.label) == (str(tmp_path.resolve() / "mine"), "mine")
    assert describe_model(kept).name == "mine"


def test_an_alias_is_what_tables_call_a_model() -> None:
    facts = describe("reference-mllm", alias="halved", dtype="bfloat16")
    assert (facts.name, facts.place, facts.family) == ("halved", "reference-mllm", "reference")
