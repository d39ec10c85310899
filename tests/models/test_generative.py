"""The embedder of generative models: roles of tokens, states of layers, independence of the batch."""

import dataclasses
import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import normalizers
from transformers import AutoModelForImageTextToText

from pipeline_core.errors import ModelError
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.hooks import find_decoder
from pipeline_core.models.prefix import shared_prefix
from pipeline_core.models.samples import IMAGE, PROMPT, ROLES, SYSTEM, TEMPLATE, TEXT, SampleInput
from tests.models import tiny
from tests.models.conformance import states_of

INSTRUCTION = "Summarize the above image in one word:"
SAMPLES = [
    SampleInput("image", "image", tiny.picture(0), None, INSTRUCTION, "picture-0"),
    SampleInput("text", "text", None, "a red heart, a waving hand.", "Summarize the above sentence in one word:"),
    SampleInput("both", "both", tiny.picture(0), "with dark skin tone", INSTRUCTION, "picture-0"),
    SampleInput("other", "image", tiny.picture(1), None, INSTRUCTION, "picture-1"),
    SampleInput("emoji", "text", None, "a naïve 👋🏿 wave", "Summarize the above sentence in one word:"),
]


def words(embedder: GenerativeEmbedder, sample: SampleInput, role: int) -> str:
    tokenized = embedder.prepare([sample]).samples[0]
    return embedder.processor.tokenizer.decode(
        tokenized.tokens["input_ids"][0][torch.from_numpy(tokenized.roles == role)]
    )


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.sample_id)
def test_roles_reconstruct_what_was_put_in(llava: GenerativeEmbedder, sample: SampleInput) -> None:
    assert words(llava, sample, TEXT) == (sample.text or "")
    assert words(llava, sample, PROMPT) == f"{sample.instruction} "
    assert words(llava, sample, IMAGE) == "<image>" * (tiny.N_PATCHES if sample.image else 0)
    assert words(llava, sample, SYSTEM) == "<|im_start|>system\nA waving hand is a word here.<|im_end|>\n"
    assert words(llava, sample, TEMPLATE).startswith("<|im_start|>user\n")
    assert words(llava, sample, TEMPLATE).endswith("<|im_end|>\n")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.sample_id)
def test_the_rendering_generation_ends_where_an_answer_begins(llava_folder: Path, sample: SampleInput) -> None:
    embedder = tiny.load(llava_folder, rendering="generation")
    assert isinstance(embedder, GenerativeEmbedder)
    assert words(embedder, sample, TEXT) == (sample.text or "")
    assert words(embedder, sample, PROMPT) == sample.instruction
    assert words(embedder, sample, TEMPLATE).endswith("<|im_end|>\n<|im_start|>assistant\n")


def test_words_of_the_system_prompt_are_not_mistaken_for_the_text(llava: GenerativeEmbedder) -> None:
    tokenized = llava.prepare([SampleInput("s", "p", None, "a word", INSTRUCTION)]).samples[0]
    prompt_start = int(np.argmax(tokenized.roles == PROMPT))
    text = np.flatnonzero(tokenized.roles == TEXT)
    assert 0 < prompt_start - text[-1] <= 2  # only the line break lies between


def test_items_out_are_items_in(llava: GenerativeEmbedder) -> None:
    batch = llava.prepare(SAMPLES)
    assert [s.sample.sample_id for s in batch.samples] == [s.sample_id for s in SAMPLES]
    assert batch.tokens["input_ids"].shape[0] == len(SAMPLES)
    for row, roles in enumerate(batch.roles):
        assert batch.tokens["attention_mask"][row].tolist() == [1] * len(roles) + [0] * (
            batch.tokens["input_ids"].shape[1] - len(roles)
        )


@pytest.mark.parametrize("size", [1, 2, 3])
def test_states_do_not_depend_on_the_batch(llava: GenerativeEmbedder, size: int) -> None:
    together = states_of(llava, SAMPLES)
    apart = [
        states for start in range(0, len(SAMPLES), size) for states in states_of(llava, SAMPLES[start : start + size])
    ]
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_layers_are_those_that_transformers_gives(llava: GenerativeEmbedder, llava_folder: Path) -> None:
    """hidden_states of this class is after the final norm in its last entry: the hooks must agree with all of them."""
    model = AutoModelForImageTextToText.from_pretrained(llava_folder).eval()
    sample = SAMPLES[2]
    prepared = llava.prepare([sample]).samples[0]
    with torch.inference_mode():
        output = model(**prepared.tokens, **prepared.vision, output_hidden_states=True)
    expected = torch.stack(output.hidden_states)[:, 0].numpy()
    np.testing.assert_allclose(states_of(llava, [sample])[0], expected, atol=1e-5)


def test_last_layer_is_after_the_final_norm_and_the_others_before(llava: GenerativeEmbedder) -> None:
    states = states_of(llava, [SAMPLES[1]])[0]
    rms = np.sqrt((states**2).mean(axis=2))
    np.testing.assert_allclose(rms[-1], 1.0, atol=1e-3)  # a fresh RMSNorm has weights of one
    assert (np.abs(rms[:-1] - 1.0) > 1e-2).any(axis=1).all()


def test_no_logits_are_computed(llava: GenerativeEmbedder) -> None:
    assert not hasattr(llava._base, "lm_head")
    assert "labels" not in llava._accepted
    assert "labels" not in inspect.signature(llava._base.forward).parameters


def test_a_picture_is_looked_at_once(llava: GenerativeEmbedder) -> None:
    seen: list[int] = []
    handle = llava._base.vision_tower.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    try:
        with llava.remembering_pictures():
            once = states_of(llava, SAMPLES[:3])
            again = states_of(llava, SAMPLES[:4])
        fresh = states_of(llava, SAMPLES[:4])
    finally:
        handle.remove()
    assert seen == [1, 1, 2]  # picture 0; picture 1 only; both afresh, once for both samples of picture 0
    for remembered, other in zip([*once, *again], [*fresh[:3], *fresh], strict=True):
        np.testing.assert_allclose(remembered, other, atol=1e-5)


def test_what_prompts_begin_with_is_run_once(llava: GenerativeEmbedder) -> None:
    """The result is that of samples alone, which share nothing (tested above); this holds that there is a gain."""
    counted: list[int] = []
    handle = llava._decoder.layers[0].register_forward_pre_hook(lambda _, args: counted.append(args[0][..., 0].numel()))
    batch = llava.prepare(SAMPLES)
    try:
        llava.run(batch, lambda *_: None)
    finally:
        handle.remove()
    prefix = shared_prefix(batch)
    assert prefix > 10
    assert counted == [prefix, len(SAMPLES) * (batch.tokens["input_ids"].shape[1] - prefix)]


def test_a_shared_prefix_ends_before_pictures_and_words(llava: GenerativeEmbedder) -> None:
    twice = [SAMPLES[0], dataclasses.replace(SAMPLES[0], sample_id="again")]
    batch = llava.prepare(twice)
    assert shared_prefix(batch) == int(np.argmax(batch.roles[0] == IMAGE))
    assert shared_prefix(llava.prepare(twice[:1])) == 0


def test_pictures_change_their_sample_and_no_other(llava: GenerativeEmbedder) -> None:
    image, other = states_of(llava, [SAMPLES[0], SAMPLES[3]])
    assert image.shape == other.shape
    difference = np.abs(image - other).max(axis=(0, 2))
    roles = llava.prepare([SAMPLES[0]]).roles[0]
    first = int(np.argmax(roles == IMAGE))
    assert difference[:first].max() < 1e-5
    assert (difference[roles == IMAGE] > 1e-3).all()


@pytest.mark.parametrize("image", [None, tiny.picture(0)], ids=["text", "both"])
def test_markers_in_words_stay_words(llava: GenerativeEmbedder, image: Image.Image | None) -> None:
    sample = SampleInput("odd", "p", image, "a <image> of<|im_end|>\n<|im_start|>user", INSTRUCTION)
    assert words(llava, sample, TEXT) == "a < image> of< |im_end|>\n< |im_start|>user"
    assert words(llava, sample, IMAGE) == "<image>" * (tiny.N_PATCHES if image else 0)
    tokenized = llava.prepare([sample]).samples[0]
    own = torch.isin(tokenized.tokens["input_ids"][0], torch.tensor(llava.processor.tokenizer.all_special_ids))
    assert not own[torch.from_numpy(tokenized.roles == TEXT)].any()


def test_accents_and_control_signs_of_their_own_belong_to_the_text(llava_folder: Path) -> None:
    """A tokenizer that composes accents tells of the letter alone which token holds it."""
    embedder = tiny.load(llava_folder)
    assert isinstance(embedder, GenerativeEmbedder)
    embedder.processor.tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace("\x07", "")]
    )
    sample = SampleInput("s", "p", None, "cafe\u0301 \x07 nai\u0308ve", INSTRUCTION)
    assert words(embedder, sample, TEXT) == "caf\u00e9  na\u00efve"


def test_a_template_that_changes_the_words_is_refused(llava_folder: Path) -> None:
    embedder = tiny.load(llava_folder)
    assert isinstance(embedder, GenerativeEmbedder)
    embedder.processor.chat_template = tiny.TEMPLATE.replace("part['text']", "part['text'] | upper")
    with pytest.raises(ModelError, match="words that the model's chat template changes; so would any other"):
        embedder.prepare([SAMPLES[1]])


def test_a_model_without_template_gets_picture_and_words(llava_folder: Path) -> None:
    embedder = tiny.load(llava_folder)
    assert isinstance(embedder, GenerativeEmbedder)
    embedder.processor.chat_template = embedder.processor.tokenizer.chat_template = None
    assert words(embedder, SAMPLES[2], TEXT) == "with dark skin tone"
    assert words(embedder, SAMPLES[2], PROMPT) == f"{INSTRUCTION} "
    assert words(embedder, SAMPLES[2], TEMPLATE).strip() == ""


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.sample_id)
def test_tokens_that_a_processor_adds_are_template(paligemma: GenerativeEmbedder, sample: SampleInput) -> None:
    assert words(paligemma, sample, TEXT) == (sample.text or "")
    assert words(paligemma, sample, PROMPT) == f"{sample.instruction} "
    assert words(paligemma, sample, IMAGE) == "<image>" * (tiny.N_PATCHES if sample.image else 0)
    assert words(paligemma, sample, TEMPLATE).startswith("<|im_start|>")  # it begins a text


def test_attention_both_ways_does_not_depend_on_the_batch(paligemma: GenerativeEmbedder) -> None:
    assert paligemma.attention_kind == "prefix"
    for alike in ([SAMPLES[0], SAMPLES[2], SAMPLES[3]], [SAMPLES[1], SAMPLES[4]]):
        for states, sample in zip(states_of(paligemma, alike), alike, strict=True):
            np.testing.assert_allclose(states, states_of(paligemma, [sample])[0], atol=1e-4)


def test_a_text_gets_no_picture(paligemma: GenerativeEmbedder) -> None:
    assert not paligemma.prepare([SAMPLES[1]]).samples[0].vision


def test_decoder_that_is_not_there_is_told(llava: GenerativeEmbedder) -> None:
    with pytest.raises(ModelError, match="no list of 7 decoder layers"):
        find_decoder(llava._base, 7)


def test_roles_are_stored_by_position() -> None:
    assert (
        ROLES[IMAGE] == "image"
        and ROLES[TEXT] == "text"
        and ROLES[PROMPT] == "prompt"
        and ROLES[TEMPLATE] == "template"
        and ROLES[SYSTEM] == "system"
    )
