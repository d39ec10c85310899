"""What every family of dual encoders must hold, on a tiny model of its real classes."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from pipeline_core.errors import ModelError
from pipeline_core.models.contrastive import ContrastiveEmbedder
from pipeline_core.models.samples import ROLES, SampleInput
from tests.models import tiny
from tests.models.conformance import (
    BARE,
    Dual,
    assert_embedded_alike,
    batched_vectors,
    own_vectors,
    prepared_elsewhere,
    saved_dual,
)
from tests.models.tiny_duals import DUAL
from tests.models.tiny_families import save


@pytest.fixture(scope="module", params=DUAL)
def member(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dual:
    return saved_dual(DUAL[request.param], tmp_path_factory.mktemp(request.param))


def test_it_is_served_by_its_family(member: Dual) -> None:
    assert member.embedder.facts.family == member.made.family


def test_vectors_are_the_model_s_own(member: Dual) -> None:
    own = own_vectors(member)
    assert np.linalg.norm(own, axis=1).min() > 1e-2, "vectors that vanish would agree with anything"
    np.testing.assert_allclose(member.embedder.vectors(BARE[:2]), own, atol=1e-5)


def test_vectors_do_not_depend_on_the_batch(member: Dual) -> None:
    for together, alone in batched_vectors(member):
        np.testing.assert_allclose(together, alone, atol=1e-4)
        assert np.abs(alone[1] - alone[4]).max() > 1e-3


def test_samples_prepared_by_other_processes_are_embedded_alike(member: Dual) -> None:
    samples = [replace(sample, keeps_states=n % 2 == 0) for n, sample in enumerate(BARE)]
    here = member.embedder.embed(samples, member.embedder.representations(None), ROLES)
    assert_embedded_alike(prepared_elsewhere(member.embedder, samples), here)


def test_the_model_s_own_markers_stay_words(member: Dual) -> None:
    """An end marker in the middle would be where some of these models pool."""
    tokenizer = member.embedder.processor.tokenizer
    sample = SampleInput("odd", "none", None, f"a red {tokenizer.eos_token} heart <|im_end|>")
    broken = SampleInput("broken", "none", None, "a red < eos> heart < |im_end|>")
    assert tokenizer.eos_token == "<eos>"
    np.testing.assert_array_equal(*member.embedder.vectors([sample, broken]))


def test_a_checkpoint_without_one_of_its_weights_is_refused(member: Dual, tmp_path: Path) -> None:
    folder = shutil.copytree(member.folder, tmp_path / "lacking")
    weights = load_file(folder / "model.safetensors")
    lost = max((key for key in weights if "." in key), key=lambda key: ("proj" in key, key))
    save_file(
        {key: value for key, value in weights.items() if key != lost}, folder / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(ModelError, match=rf"lacks 1 of the weights that embedding needs: {re.escape(lost)};"):
        tiny.load(folder, attention=member.made.attention)


def test_a_text_is_cut_where_it_is_told_and_told(member: Dual) -> None:
    embedder = tiny.load(member.folder, attention=member.made.attention, max_tokens=20)
    assert isinstance(embedder, ContrastiveEmbedder)
    tokenizer, beginning = member.embedder.processor.tokenizer, "two small dogs with dark skin tone " * 3
    cut = [SampleInput(end, "none", None, beginning + end) for end in ("a hand", "and a red heart")]
    embedded = embedder.embed([BARE[1], *cut], embedder.representations(None), ())
    lengths = [len(tokenizer(sample.text)["input_ids"]) for sample in cut]
    told = [(text.row, text.n_tokens, text.n_kept) for text in embedded.long]
    assert told == [(1, lengths[0], 20), (2, lengths[1], 20)]
    assert len({text.kept for text in embedded.long}) == 1
    short, *same = embedded.vectors[0]
    np.testing.assert_allclose(same[0], same[1], atol=1e-5)
    np.testing.assert_allclose(short, member.embedder.vectors([BARE[1]])[0], atol=1e-4)
    assert np.abs(same[0] - member.embedder.vectors(cut[:1])[0]).max() > 3e-6


def test_a_captioning_blip_is_refused(tmp_path: Path) -> None:
    made = DUAL["blip"]
    with pytest.raises(ModelError, match="class BlipModel, which gives no two vectors"):
        tiny.load(save(tmp_path, made, AutoModel), attention="eager")
