"""Models that no family names are tried when they are loaded."""

import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers import AutoModel, MllamaConfig

from pipeline_core.errors import ModelError
from pipeline_core.models.check import check_batches
from pipeline_core.models.facts import describe_model
from pipeline_core.models.families import FAMILIES
from pipeline_core.models.family import TransformersFamily
from pipeline_core.models.loading import load_embedder
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
    embedder = general("dual_encoder").embedder(facts, AutoModel.from_pretrained(folder), processor)
    with pytest.raises(ModelError, match="gives a text other vectors beside a longer one"):
        check_batches(embedder)


@pytest.mark.parametrize("family", ["aimv2", "dual_encoder"])
def test_eager_attention_is_taken_where_it_helps_and_said(
    family: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = save(tmp_path, DUAL["aimv2"], AutoModel)
    settings = ModelSettings(name=str(folder))
    with caplog.at_level(logging.WARNING):
        embedder = load_embedder(settings, replace(describe_model(settings), family=family), "cpu", tmp_path)
    assert embedder.facts.attention == "eager"
    (told,) = caplog.messages
    assert "other vectors beside a longer one" in told and "under sdpa attention: it runs with eager" in told
    check_batches(embedder)


def test_a_model_that_passes_is_loaded(tmp_path: Path) -> None:
    embedder = tiny.load(tiny.save_paddle(tmp_path))
    assert embedder.facts.family == "image_text_to_text"


def test_cross_attention_is_refused_in_one_line(tmp_path: Path) -> None:
    facts = describe_model(ModelSettings(name=str(tiny.save_paddle(tmp_path))))
    with pytest.raises(ModelError, match="by cross attention") as caught:
        general("image_text_to_text").embedder(facts, SimpleNamespace(config=MllamaConfig()), None)
    assert "\n" not in str(caught.value)
