"""Texts longer than a model takes: what is cut, what never is, and what is told of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModel

from pipeline_core.errors import ModelError, SampleError
from pipeline_core.models.contrastive import ContrastiveEmbedder
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.limits import MOST_TOKENS, model_limit
from pipeline_core.models.samples import IMAGE, PROMPT, TEMPLATE, TEXT, SampleInput
from tests.models import tiny, tiny_duals, tiny_families, tiny_generative

INSTRUCTION = "Summarize the above sentence in one word:"
WORDS = SampleInput("words", "text", None, "a red heart, a waving hand. " * 12, INSTRUCTION)
BOTH = replace(WORDS, sample_id="both", image=tiny.picture(0))
SHORT = SampleInput("short", "text", None, "a red heart", INSTRUCTION)
MOST = 80


def generative(folder: Path, **options: int) -> GenerativeEmbedder:
    embedder = tiny.load(folder, **options)
    assert isinstance(embedder, GenerativeEmbedder)
    return embedder


@pytest.fixture(scope="module", params=["llava", "paligemma", "qwen2_vl"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp(request.param)
    if request.param == "qwen2_vl":
        return tiny_families.save(place, tiny_generative.GENERATIVE["qwen2_vl"])
    return {"llava": tiny.save_llava, "paligemma": tiny.save_paligemma}[request.param](place)


def test_the_end_of_the_words_is_cut_and_nothing_else(folder: Path) -> None:
    whole, cut = generative(folder), generative(folder, max_tokens=MOST)
    before, after = (embedder.prepare([WORDS, BOTH, SHORT]).samples for embedder in (whole, cut))
    for old, new in zip(before[:2], after[:2], strict=True):
        assert (new.roles != IMAGE).sum() == MOST < (old.roles != IMAGE).sum()
        kept = (new.roles == TEXT).sum()
        words, left = (s.tokens["input_ids"][0, s.roles == TEXT].tolist() for s in (old, new))
        # The last token of the words may hold a part of the template, and stays.
        assert left[: kept - 1] == words[: kept - 1] and left[-1] in (words[kept - 1], words[-1])
        for role in (IMAGE, PROMPT, TEMPLATE):
            ids = [s.tokens["input_ids"][0, s.roles == role].tolist() for s in (old, new)]
            assert ids[0] == ids[1]
        assert {name: value.shape[1] for name, value in new.tokens.items()} == dict.fromkeys(new.tokens, len(new.roles))
    assert torch.equal(before[2].tokens["input_ids"], after[2].tokens["input_ids"])
    assert after[2].long is None


def test_what_was_cut_is_told_by_row(folder: Path) -> None:
    embedder = generative(folder, max_tokens=MOST)
    embedded = embedder.embed([SHORT, WORDS, replace(WORDS, text=f"{WORDS.text}and more"), BOTH], (), ())
    n_tokens = int((generative(folder).prepare([WORDS]).samples[0].roles != IMAGE).sum())
    assert [(text.row, text.n_kept) for text in embedded.long] == [(1, MOST), (2, MOST), (3, MOST)]
    assert embedded.long[0].n_tokens == n_tokens < embedded.long[1].n_tokens
    assert embedded.long[0].kept == embedded.long[1].kept


def test_a_text_that_just_fits_is_long_and_equals_one_of_which_it_is_left(folder: Path) -> None:
    n_tokens = int((generative(folder).prepare([SHORT]).samples[0].roles != IMAGE).sum())
    embedder = generative(folder, max_tokens=n_tokens)
    longer = replace(SHORT, sample_id="longer", text=f"{SHORT.text}, a waving hand")
    fits, cut = embedder.embed([SHORT, longer], (), ()).long
    assert (fits.n_tokens, fits.n_kept) == (n_tokens, n_tokens)
    assert cut.n_tokens > cut.n_kept == n_tokens


def test_an_instruction_that_leaves_no_room_refuses_the_sample(folder: Path) -> None:
    embedder, long = generative(folder, max_tokens=80), replace(WORDS, instruction="Say it in one word: " * 20)
    with pytest.raises(SampleError, match=r"sample words takes \d+ tokens without its words, where the model takes 80"):
        embedder.prepare([long])


def test_a_limit_that_leaves_no_sample_room_is_told_as_such(tmp_path: Path) -> None:
    told = r"without its words, where the model takes 8; so would any other: .* limit of tokens is model\.max_tokens$"
    with pytest.raises(ModelError, match=told):
        generative(tiny.save_llava(tmp_path), max_tokens=8).prepare([WORDS])


def test_without_a_setting_a_prompt_has_a_bound_and_pictures_do_not_count(tmp_path: Path) -> None:
    embedder = generative(tiny.save_llava(tmp_path))
    assert embedder.preparer.speech.limits.prompt == MOST_TOKENS
    endless = replace(BOTH, text="a red heart " * 5000)
    (sample,) = embedder.prepare([endless]).samples
    assert len(sample.roles) == MOST_TOKENS  # the model has no more positions than that, its picture's among them
    assert sample.long is not None and sample.long.n_kept == MOST_TOKENS - tiny.N_PATCHES


def test_positions_that_begin_behind_that_of_padding_are_not_counted(tmp_path: Path) -> None:
    model = AutoModel.from_pretrained(tiny_families.save(tmp_path, tiny_duals.DUAL["altclip"], AutoModel))
    assert model_limit(model) == model.config.text_config.max_position_embeddings - 1


def test_a_picture_that_no_dual_encoder_takes_names_its_sample(tmp_path: Path) -> None:
    embedder = tiny.load(tiny.save_clip(tmp_path))
    assert isinstance(embedder, ContrastiveEmbedder)
    strip = SampleInput("strip", "none", Image.new("RGB", (1, 90_000)))
    with pytest.raises(SampleError, match=r"sample strip has a picture of 1 x 90000, .* 32 x 2,880,000 pixels"):
        embedder.vectors([SampleInput("good", "none", tiny.picture(0)), strip])


def test_of_several_pictures_the_one_that_a_processor_refuses_is_named(tmp_path: Path) -> None:
    embedder = tiny.load(tiny.save_clip(tmp_path))
    assert isinstance(embedder, ContrastiveEmbedder)
    images = embedder.processor.image_processor
    resize = images.resize

    def resize_narrow(image: np.ndarray, *args: Any, **options: Any) -> np.ndarray:
        if image.shape[-1] > 90:
            raise ValueError("too wide")
        return resize(image, *args, **options)

    images.resize = resize_narrow
    good = [SampleInput(str(n), "none", tiny.picture(n)) for n in range(3)]
    wide = SampleInput("wide", "none", Image.new("RGB", (99, 9)))
    with pytest.raises(SampleError) as told:
        embedder.vectors([*good[:2], wide, good[2]])
    assert told.value.key == ("wide", "none")
    assert str(told.value) == "sample wide cannot be prepared: too wide; correct or remove it"
