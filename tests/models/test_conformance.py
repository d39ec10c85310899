"""What every generative family must hold, on a tiny model of its real classes, loaded as a user's folder would be."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline_core.models.prefix import shared_prefix
from pipeline_core.models.samples import IMAGE, ROLES, TEXT, SampleInput
from tests.models.conformance import (
    INSTRUCTION,
    SAMPLES,
    Member,
    assert_embedded_alike,
    attention_weights,
    batched_states,
    load,
    loaded,
    own_states,
    prepared_elsewhere,
    states_of,
    words_of_roles,
)
from tests.models.tiny_families import save
from tests.models.tiny_generative import GENERATIVE


@pytest.fixture(scope="module", params=GENERATIVE)
def member(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Member:
    made = GENERATIVE[request.param]
    return loaded(made, save(tmp_path_factory.mktemp(request.param), made))


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


@pytest.mark.parametrize("n", range(4), ids=[sample.sample_id for sample in SAMPLES[:4]])
def test_states_of_every_layer_are_the_model_s_own(member: Member, n: int) -> None:
    states, own = member.alone[n], own_states(member, SAMPLES[n])
    assert len(own) == len(states) == member.embedder.n_layers + 1
    np.testing.assert_allclose(states, own, atol=1e-5, rtol=1e-5)


def test_states_do_not_depend_on_the_batch(member: Member) -> None:
    for one, other in batched_states(member):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_texts_do_not_depend_on_pictures_seen_before(member: Member) -> None:
    states_of(member.embedder, [sample for sample in SAMPLES if sample.image is not None])
    texts = [sample for sample in SAMPLES if sample.image is None]
    for one, other in zip(member.unshown, states_of(member.embedder, texts), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.sample_id)
def test_roles_are_those_of_what_was_put_in(member: Member, sample: SampleInput) -> None:
    told, put_in = words_of_roles(member, sample)
    assert told == put_in


def test_a_shared_beginning_changes_nothing(member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = member.together
    if member.embedder._reuses_prefix and member.embedder.processor.tokenizer.chat_template:
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


def test_attention_is_the_model_s_own(member: Member) -> None:
    embedder, seen, own = attention_weights(member, SAMPLES[2])
    assert len(seen) == len(own) > 0
    for weights, expected in zip(seen, own, strict=True):
        np.testing.assert_allclose(weights.sum(-1), 1.0, atol=1e-5)
        np.testing.assert_allclose(weights, expected, atol=1e-5)
    pictures = np.flatnonzero(embedder.prepare([SAMPLES[2]]).roles[0] == IMAGE)
    ahead = np.triu(np.stack(seen), 1)[..., pictures, :][..., pictures].sum()
    assert (ahead > 0) == (embedder.attention_kind != "causal")


@pytest.mark.parametrize("image", [None, SAMPLES[0].image], ids=["text", "both"])
def test_the_model_s_own_markers_stay_words(member: Member, image: Image.Image | None) -> None:
    processor = member.embedder.processor
    markers = [token for token in processor.tokenizer.all_special_tokens if len(token) > 1]
    sample = SampleInput("odd", "p", image, " a ".join(markers), INSTRUCTION)
    plain = member.embedder.prepare([SampleInput("plain", "p", image, "a", INSTRUCTION)]).samples[0]
    odd = member.embedder.prepare([sample]).samples[0]
    assert (odd.roles == IMAGE).sum() == (plain.roles == IMAGE).sum()
    text = odd.tokens["input_ids"][0][torch.from_numpy(odd.roles == TEXT)]
    assert not set(text.tolist()) & set(processor.tokenizer.all_special_ids)


def test_samples_prepared_by_other_processes_are_embedded_alike(member: Member) -> None:
    samples = [replace(sample, keeps_states=n % 2 == 0) for n, sample in enumerate(SAMPLES)]
    here = member.embedder.embed(samples, member.embedder.representations(None), ROLES)
    assert_embedded_alike(prepared_elsewhere(member.embedder, samples), here)


def test_bfloat16_points_where_float32_does(member: Member) -> None:
    halved = load(member.folder, attention=member.made.attention, dtype="bfloat16")
    for batch in ([SAMPLES[1], SAMPLES[4]], [SAMPLES[0]], [SAMPLES[2]]):
        for one, other in zip(states_of(member.embedder, batch), states_of(halved, batch), strict=True):
            a, b = (states[-1].mean(0, dtype=np.float64) for states in (one, other))
            assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.99
