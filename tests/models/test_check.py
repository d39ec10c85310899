"""Models that no family names are tried when they are loaded."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers import AutoModel, MllamaConfig

from pipeline_core.errors import ModelError
from pipeline_core.models.facts import describe_model
from pipeline_core.models.families import FAMILIES
from pipeline_core.models.family import TransformersFamily
from pipeline_core.models.processors import load_processor
from pipeline_core.models.settings import ModelSettings
from tests.models import tiny
from tests.models.tiny_duals import DUAL
from tests.models.tiny_families import save


def general(name: str) -> TransformersFamily:
    family = FAMILIES[name]
    assert isinstance(family, TransformersFamily) and family.general
    return family


def test_a_model_whose_vectors_depend_on_the_batch_is_refused(tmp_path: Path) -> None:
    """Under SDPA, AIMv2 attends both ways where nothing is padded, and backwards only where something is."""
    folder = save(tmp_path, DUAL["aimv2"], AutoModel)
    facts = describe_model(ModelSettings(name=str(folder)))
    processor = load_processor(str(folder), {})
    with pytest.raises(ModelError, match="gives a text other vectors beside a longer one"):
        general("dual_encoder").embedder(facts, AutoModel.from_pretrained(folder), processor)
    eager = AutoModel.from_pretrained(folder, attn_implementation="eager")
    assert general("dual_encoder").embedder(facts, eager, processor).facts == facts


def test_a_model_that_passes_is_loaded(tmp_path: Path) -> None:
    embedder = tiny.load(tiny.save_paddle(tmp_path))
    assert embedder.facts.family == "image_text_to_text"


def test_cross_attention_is_refused_in_one_line(tmp_path: Path) -> None:
    facts = describe_model(ModelSettings(name=str(tiny.save_paddle(tmp_path))))
    with pytest.raises(ModelError, match="by cross attention") as caught:
        general("image_text_to_text").embedder(facts, SimpleNamespace(config=MllamaConfig()), None)
    assert "\n" not in str(caught.value)
