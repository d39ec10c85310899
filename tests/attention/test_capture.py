"""Captured attention: against what transformers gives, whatever the batch, and where known attention ends up."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoModelForImageTextToText

from pipeline_core.attention.capture import ATTENDED, SOURCES, capture, source_rows
from pipeline_core.attention.maps import paint
from pipeline_core.errors import AttentionError, ModelError
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.samples import IMAGE, ROLES, SYSTEM, TEMPLATE, SampleInput
from tests.attention.conftest import FAMILIES, load
from tests.attention.tampering import attending_to
from tests.models import tiny

INSTRUCTION = "Summarize the above image in one word:"
PICTURE = SampleInput("picture", "p", tiny.picture(0), None, INSTRUCTION)
TEXT = SampleInput("text", "p", None, "a red heart, a waving hand. two small dogs", INSTRUCTION)
BOTH = SampleInput("both", "p", tiny.picture(1), "with dark skin tone", INSTRUCTION)
SAMPLES = (PICTURE, TEXT, BOTH)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.sample_id)
@pytest.mark.parametrize("family", FAMILIES)
def test_attention_is_that_which_transformers_gives(
    family: str, sample: SampleInput, embedders: dict[str, GenerativeEmbedder], folders: dict[str, Path]
) -> None:
    prepared = embedders[family].prepare([sample]).samples[0]
    model = AutoModelForImageTextToText.from_pretrained(folders[family], attn_implementation="eager").eval()
    with torch.inference_mode():
        weights = model(**prepared.tokens, **prepared.vision, output_attentions=True).attentions
    found = capture(embedders[family], [sample])[0]
    assert found.layers == tuple(range(1, len(weights) + 1)) == (1, 2, 3)
    for layer, of_layer in enumerate(weights):
        n_heads = of_layer.shape[1]
        rows = {"last": of_layer[0, :, -1], "pooled": of_layer[0].mean(1)}
        for n, source in enumerate(SOURCES):
            for head in range(n_heads):
                told = np.where(prepared.roles == SYSTEM, TEMPLATE, prepared.roles)
                expected = [float(rows[source][head][told == role].sum()) for role in range(len(ATTENDED))]
                np.testing.assert_allclose(found.masses[layer][n, head], expected, atol=1e-5)
            image = sum(rows[source][head][prepared.roles == IMAGE] for head in range(n_heads)) / n_heads
            np.testing.assert_allclose(found.image[layer, n], image, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_masses_of_a_head_sum_to_one(family: str, dtype: str, folders: dict[str, Path]) -> None:
    """Also where half precision rounds each weight."""
    for found in (capture(load(folders[family], dtype=dtype), [sample])[0] for sample in SAMPLES):
        np.testing.assert_allclose([masses.sum(axis=-1) for masses in found.masses], 1.0, atol=1e-5)
        assert (np.stack(found.masses) >= 0).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_image_tokens_get_the_mass_of_their_role(family: str, embedders: dict[str, GenerativeEmbedder]) -> None:
    found = capture(embedders[family], [BOTH])[0]
    of_role = np.stack(found.masses)[..., IMAGE]
    np.testing.assert_allclose(found.image.sum(axis=-1), of_role.mean(axis=-1), atol=1e-12)


def test_a_role_without_tokens_gets_nothing(embedders: dict[str, GenerativeEmbedder]) -> None:
    picture, text = capture(embedders["llava"], [PICTURE, TEXT])
    assert not np.stack(picture.masses)[..., ROLES.index("text")].any()
    assert not np.stack(text.masses)[..., IMAGE].any()
    assert text.image.shape[-1] == 0
    assert text.grid is None


def test_neither_padding_nor_others_in_the_batch_count(embedders: dict[str, GenerativeEmbedder]) -> None:
    """Padding would draw attention, or be the last token; a beginning that is shared would make rows miss."""
    lengths = [len(roles) for roles in embedders["llava"].prepare(SAMPLES).roles]
    assert len(set(lengths)) == len(SAMPLES)
    for together, sample in zip(capture(embedders["llava"], SAMPLES), SAMPLES, strict=True):
        alone = capture(embedders["llava"], [sample])[0]
        np.testing.assert_allclose(together.masses, alone.masses, atol=1e-5)
        np.testing.assert_allclose(together.image, alone.image, atol=1e-5)
        assert together.grid == alone.grid


def test_sources_are_the_last_row_and_the_mean_of_all() -> None:
    weights = torch.tensor([[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.25, 0.75]]])
    np.testing.assert_allclose(source_rows(weights), [[[0.0, 0.25, 0.75]], [[0.5, 0.25, 0.25]]])


@given(st.floats(0.1, 1.0))
def test_attention_to_no_token_is_left_out(kept: float) -> None:
    weights = torch.tril(torch.ones(2, 4, 4)) / torch.arange(1, 5)[:, None]
    np.testing.assert_allclose(source_rows(kept * weights), source_rows(weights), rtol=1e-6)


def test_sdpa_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(AttentionError, match="does not return its attention weights") as error:
        capture(load(folders["llava"], attention="sdpa"), [TEXT])
    assert "attention=eager" in error.value.remedy


def test_weights_that_are_not_finite_are_told(llava: GenerativeEmbedder) -> None:
    llava._decoder.layers[1].self_attn.q_proj.weight.fill_(torch.inf)
    with pytest.raises(ModelError, match="not finite, for sample text in layer 2"):
        capture(llava, [TEXT])


@pytest.mark.parametrize(("family", "size"), [("llava", (32, 32)), ("paligemma", (60, 30)), ("paddle", (80, 48))])
def test_attention_to_what_a_part_of_the_picture_became_is_painted_over_that_part(
    family: str, size: tuple[int, int], embedders: dict[str, GenerativeEmbedder]
) -> None:
    """The token is found by its state, the cell by its place in the picture: every order in between must agree."""
    embedder = embedders[family]
    width, height = size
    grid = capture(embedder, [SampleInput("s", "p", Image.new("RGB", size), None, INSTRUCTION)])[0].grid
    assert grid is not None
    for row in range(grid.height):
        for column in range(grid.width):
            left, right = column * width // grid.width, (column + 1) * width // grid.width
            top, bottom = row * height // grid.height, (row + 1) * height // grid.height
            picture = Image.new("RGB", size, "white")
            before = _entering(embedder, picture)
            picture.paste((20, 90, 160), (left, top, right, bottom))
            token = int((_entering(embedder, picture) - before).abs().sum(dim=1).argmax())
            with attending_to(embedder, lambda token=token: token):
                found = capture(embedder, [SampleInput("s", "p", picture, None, INSTRUCTION)])[0]
            expected = np.zeros((height, width))
            expected[top:bottom, left:right] = 1.0
            assert found.grid is not None
            for weights in found.image.reshape(-1, grid.height * grid.width):
                painted = paint(weights, found.grid.height, found.grid.width, width, height, found.grid.region)
                np.testing.assert_allclose(painted, expected, atol=1e-12)


def _entering(embedder: GenerativeEmbedder, picture: Image.Image) -> torch.Tensor:
    """What enters the decoder [tokens, width]."""
    seen: list[torch.Tensor] = []
    batch = embedder.prepare([SampleInput("s", "p", picture, None, INSTRUCTION)])
    embedder.run(batch, lambda layer, states: seen.append(states[0]) if layer == 0 else None)
    return seen[0]
