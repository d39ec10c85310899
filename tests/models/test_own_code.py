"""A model that comes with code of its own: nothing of it runs unless it is asked for, and then it is like any other."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from transformers import dynamic_module_utils
from transformers.utils import hub

from pipeline_core.errors import ModelError
from pipeline_core.models.embedder import Embedder
from pipeline_core.models.samples import SampleInput
from tests.models import tiny

CODE = """
from pathlib import Path
from transformers import LlavaConfig, LlavaForConditionalGeneration

Path({ran!r}).touch()


class OwnConfig(LlavaConfig):
    model_type = "of_its_own"


class OwnModel(LlavaForConditionalGeneration):
    config_class = OwnConfig
"""
CLASSES = {"AutoConfig": "own.OwnConfig", "AutoModelForImageTextToText": "own.OwnModel"}


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    return tmp_path / "ran"


@pytest.fixture
def folder(llava_folder: Path, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Llava under another name, which only the code beside it knows."""
    for module in (hub, dynamic_module_utils):
        monkeypatch.setattr(module, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = tmp_path / "model"
    shutil.copytree(llava_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    told = {"model_type": "of_its_own", "architectures": ["OwnModel"], "auto_map": CLASSES}
    (folder / "config.json").write_text(json.dumps(config | told))
    (folder / "own.py").write_text(CODE.format(ran=str(ran)))
    return folder


def vectors(embedder: Embedder) -> np.ndarray:
    samples = [SampleInput("p", "none", tiny.picture(0)), SampleInput("t", "none", None, "a red heart")]
    return embedder.embed(samples, [embedder.representations(None)[-1]], ()).vectors


def test_code_that_was_not_asked_for_does_not_run(folder: Path, ran: Path) -> None:
    with pytest.raises(
        ModelError, match=r"comes with code of its own; read it, then set model\.trust_remote_code=true"
    ):
        tiny.load(folder)
    with pytest.raises(ModelError, match=r"read the code that comes with it, then set model\.trust_remote_code=true"):
        tiny.load(folder, kind="generative")
    assert not ran.exists()


@pytest.mark.parametrize("kind", ["auto", "generative"])
def test_code_that_was_asked_for_gives_a_model_like_any_other(
    kind: str, folder: Path, ran: Path, llava_folder: Path
) -> None:
    embedder = tiny.load(folder, kind=kind, trust_remote_code=True)
    assert ran.exists() and embedder.facts.family == "image_text_to_text"
    np.testing.assert_array_equal(vectors(embedder), vectors(tiny.load(llava_folder)))


def test_code_that_does_not_say_what_it_is_for_is_told(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoConfig": "own.OwnConfig"}}))
    with pytest.raises(ModelError, match=r"does not say that it generates text from pictures; set model\.kind"):
        tiny.load(folder, trust_remote_code=True)
