"""What every generative family must hold, on a tiny model of its real classes, loaded as a user's folder would be."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from pipeline_core.models.families import FAMILIES
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.prefix import shared_prefix
from pipeline_core.models.samples import IMAGE, PROMPT, TEXT, SampleInput
from tests.models import tiny
from tests.models.published import Published
from tests.models.test_generative import states_of
from tests.models.tiny_families import Tiny, save
from tests.models.tiny_generative import GENERATIVE

INSTRUCTION = "Summarize the above image in one word:"


def picture(seed: int, size: tuple[int, int]) -> Image.Image:
    return tiny.picture(seed).resize(size, Image.Resampling.NEAREST)


SAMPLES = [
    SampleInput("image", "image", picture(0, (50, 40)), None, INSTRUCTION, "a"),
    SampleInput("text", "text", None, "a red heart, a waving hand.", INSTRUCTION),
    SampleInput("both", "both", picture(1, (64, 32)), "with dark skin tone", INSTRUCTION, "b"),
    SampleInput("tall", "both", picture(2, (30, 90)), "a", INSTRUCTION, "c"),
    SampleInput("long", "text", None, "two small dogs, a naïve 👋🏿 wave " * 3, INSTRUCTION),
    SampleInput("wide", "image", picture(3, (140, 40)), None, INSTRUCTION, "d"),
]
"""Pictures, texts and both; every picture has a size of its own."""


@dataclass(frozen=True)
class Member:
    """A tiny model and what it was made of."""

    made: "Tiny | Published"
    folder: Path
    embedder: GenerativeEmbedder

    def rendered(self, sample: SampleInput) -> dict[str, Any]:
        """The model's inputs of one sample, by its processor as its makers call it."""
        processor = self.embedder._processor
        text = self.embedder._family.render(processor, sample, self.embedder.facts.rendering)
        bos = processor.tokenizer.bos_token
        options = {"return_tensors": "pt", "add_special_tokens": not (bos and text.startswith(bos))}
        if sample.image is None and self.made.family == "paligemma":
            return dict(processor.tokenizer([text], return_token_type_ids=True, **options))
        inputs = processor(text=[text], images=None if sample.image is None else [sample.image], **options)
        return {name: value for name, value in inputs.items() if name not in ("labels", "num_patches")}


def load(folder: Path, **options: Any) -> GenerativeEmbedder:
    embedder = tiny.load(folder, **options)
    assert isinstance(embedder, GenerativeEmbedder)
    return embedder


@pytest.fixture(scope="module", params=GENERATIVE)
def member(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Member:
    made = GENERATIVE[request.param]
    folder = save(tmp_path_factory.mktemp(request.param), made)
    return Member(made, folder, load(folder, attention=made.attention))


@pytest.fixture
def looks(member: Member, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many pictures the model's tower was asked for at each of its calls."""
    asked: list[int] = []
    look = member.embedder._base.get_image_features

    def counted(*args: Any, **options: Any) -> Any:
        asked.append(len(options.get("image_grid_thw", options.get("pixel_values", args))))
        return look(*args, **options)

    # The signature is asked for the arguments.
    counted.__wrapped__ = look  # type: ignore[attr-defined]
    monkeypatch.setattr(member.embedder._base, "get_image_features", counted)
    yield asked


def test_it_is_served_by_its_family(member: Member) -> None:
    assert member.embedder.facts.family == member.made.family
    kind = {"gemma3": "picture", "paligemma": "prefix"}.get(member.made.family, "causal")
    assert member.embedder.attention_kind == kind


@torch.inference_mode()
@pytest.mark.parametrize("sample", SAMPLES[:4], ids=lambda sample: sample.sample_id)
def test_states_of_every_layer_are_the_model_s_own(member: Member, sample: SampleInput) -> None:
    model = AutoModelForImageTextToText.from_pretrained(member.folder, attn_implementation=member.made.attention).eval()
    inputs = member.rendered(sample)
    output = model.base_model(**inputs, output_hidden_states=True, use_cache=False)
    states = states_of(member.embedder, [sample])[0]
    own = [*output.hidden_states[:-1], output.last_hidden_state]
    assert len(own) == len(states) == member.embedder.n_layers + 1
    np.testing.assert_allclose(states, torch.stack(own)[:, 0].numpy(), atol=1e-5, rtol=1e-5)


def test_states_do_not_depend_on_the_batch(member: Member) -> None:
    together = states_of(member.embedder, SAMPLES)
    for one, sample in zip(together, SAMPLES, strict=True):
        np.testing.assert_allclose(one, states_of(member.embedder, [sample])[0], atol=1e-4)
    for size in (2, 3):
        for start in range(0, len(SAMPLES), size):
            for one, other in zip(
                together[start : start + size], states_of(member.embedder, SAMPLES[start : start + size]), strict=True
            ):
                np.testing.assert_allclose(one, other, atol=1e-4)


def test_texts_do_not_depend_on_pictures_seen_before(member: Member) -> None:
    texts = [sample for sample in SAMPLES if sample.image is None]
    fresh = states_of(load(member.folder, attention=member.made.attention), texts)
    states_of(member.embedder, [sample for sample in SAMPLES if sample.image is not None])
    for one, other in zip(fresh, states_of(member.embedder, texts), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.sample_id)
def test_roles_are_those_of_what_was_put_in(member: Member, sample: SampleInput) -> None:
    tokenized = member.embedder.prepare([sample]).samples[0]
    ids = tokenized.tokens["input_ids"][0]
    tokenizer = member.embedder._processor.tokenizer
    for role, words in ((TEXT, sample.text), (PROMPT, sample.instruction)):
        assert tokenizer.decode(ids[torch.from_numpy(tokenized.roles == role)]).strip() == (words or "").strip()
    pictured = {tokenizer.decode(one) for one in ids[torch.from_numpy(tokenized.roles == IMAGE)]}
    assert len(pictured) == (sample.image is not None)
    config = member.embedder._base.config
    if sample.image is not None and hasattr(config, "image_token_id"):
        assert (tokenized.roles == IMAGE).sum() == (ids == config.image_token_id).sum() > 0


def test_a_shared_beginning_changes_nothing(member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = states_of(member.embedder, SAMPLES)
    if member.embedder._reuses_prefix and member.embedder._processor.tokenizer.chat_template:
        assert shared_prefix(member.embedder.prepare(SAMPLES), member.embedder._plain) > 2
    monkeypatch.setattr(member.embedder, "_reuses_prefix", False)
    for one, other in zip(shared, states_of(member.embedder, SAMPLES), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_the_tower_looks_at_a_picture_once(member: Member, looks: list[int]) -> None:
    shown = [*SAMPLES, SampleInput("again", "image", SAMPLES[0].image, "red", INSTRUCTION, "a")]
    with member.embedder.remembering_pictures():
        first = states_of(member.embedder, shown)
        calls = len(looks)
        again = states_of(member.embedder, shown)
        assert len(looks) == calls <= 4
    fresh = states_of(member.embedder, shown)
    assert len(looks) == 2 * calls
    for one, other, third in zip(first, again, fresh, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
        np.testing.assert_allclose(one, third, atol=1e-5)


@torch.inference_mode()
def test_attention_is_the_model_s_own(member: Member) -> None:
    embedder = load(member.folder, attention="eager")
    model = AutoModelForImageTextToText.from_pretrained(member.folder, attn_implementation="eager").eval()
    inputs = {
        name: value for name, value in member.rendered(SAMPLES[2]).items() if name not in ("labels", "num_patches")
    }
    own = [found for found in model.base_model(**inputs, output_attentions=True).attentions if found is not None]
    seen: list[torch.Tensor] = []
    batch = embedder.prepare([SAMPLES[2]])
    embedder.attend(batch, lambda _, weights: seen.append(weights.clone()))
    assert len(seen) == len(own) > 0
    for weights, expected in zip(seen, own, strict=True):
        np.testing.assert_allclose(weights.sum(-1).numpy(), 1.0, atol=1e-5)
        np.testing.assert_allclose(weights.numpy(), expected.numpy(), atol=1e-5)
    pictures = torch.from_numpy(batch.roles[0] == IMAGE)
    ahead = torch.stack(seen)[0, 0].triu(1)[..., pictures, :][..., pictures].sum()
    assert (ahead > 0) == (embedder.attention_kind != "causal")


@pytest.mark.parametrize("image", [None, SAMPLES[0].image], ids=["text", "both"])
def test_the_model_s_own_markers_stay_words(member: Member, image: Image.Image | None) -> None:
    processor = member.embedder._processor
    markers = [token for token in processor.tokenizer.all_special_tokens if len(token) > 1]
    sample = SampleInput("odd", "p", image, " a ".join(markers), INSTRUCTION)
    plain = member.embedder.prepare([SampleInput("plain", "p", image, "a", INSTRUCTION)]).samples[0]
    odd = member.embedder.prepare([sample]).samples[0]
    assert (odd.roles == IMAGE).sum() == (plain.roles == IMAGE).sum()
    text = odd.tokens["input_ids"][0][torch.from_numpy(odd.roles == TEXT)]
    assert not set(text.tolist()) & set(processor.tokenizer.all_special_ids)


def test_bfloat16_points_where_float32_does(member: Member) -> None:
    halved = load(member.folder, attention=member.made.attention, dtype="bfloat16")
    for batch in ([SAMPLES[1], SAMPLES[4]], [SAMPLES[0]], [SAMPLES[2]]):
        for one, other in zip(states_of(member.embedder, batch), states_of(halved, batch), strict=True):
            a, b = (states[-1].mean(0, dtype=np.float64) for states in (one, other))
            assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.99


def test_every_family_has_a_tiny_model() -> None:
    generative = {name for name, family in FAMILIES.items() if family.traits("reference-mllm").kind == "generative"}
    general = {name for name, family in FAMILIES.items() if family.general}
    assert {made.family for made in GENERATIVE.values()} == generative - general - {"reference"}
