"""The embedder of dual encoders against direct calls of the models, and its independence of the batch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoProcessor

from pipeline_core.errors import DataError, ModelError
from pipeline_core.models.contrastive import ContrastiveEmbedder
from pipeline_core.models.samples import ROLES, SampleInput
from tests.models import tiny

IMAGE = SampleInput("image", "none", tiny.picture(0))
TEXT = SampleInput("text", "none", None, "a red heart")
LONG = SampleInput("long", "none", None, "two small dogs with dark skin tone, a waving hand and a red heart")
BOTH = SampleInput("both", "none", tiny.picture(0), "a red heart")


def test_embeddings_are_the_projected_ones(dual_encoder: ContrastiveEmbedder) -> None:
    folder = Path(dual_encoder.facts.place)
    model, processor = AutoModel.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(folder)
    length = 64 if model.config.model_type == "siglip" else None
    ids = processor.tokenizer.encode(TEXT.text)
    padded = ids + [0] * ((length or len(ids)) - len(ids))
    with torch.inference_mode():
        pixels = processor.image_processor(images=[IMAGE.image], return_tensors="pt")["pixel_values"]
        image = model.get_image_features(pixel_values=pixels).pooler_output.numpy()
        text = model.get_text_features(input_ids=torch.tensor([padded])).pooler_output.numpy()
    np.testing.assert_allclose(dual_encoder.vectors([IMAGE, TEXT]), np.concatenate([image, text]), atol=1e-5)


def test_picture_with_text_is_the_normalised_sum_of_unit_vectors(dual_encoder: ContrastiveEmbedder) -> None:
    image, text, both = dual_encoder.vectors([IMAGE, TEXT, BOTH]).astype(np.float64)
    total = image / np.linalg.norm(image) + text / np.linalg.norm(text)
    np.testing.assert_allclose(both, total / np.linalg.norm(total), atol=1e-6)


def test_embeddings_do_not_depend_on_the_batch(dual_encoder: ContrastiveEmbedder) -> None:
    samples = [TEXT, IMAGE, LONG, BOTH]
    alone = np.concatenate([dual_encoder.vectors([sample]) for sample in samples])
    np.testing.assert_allclose(dual_encoder.vectors(samples), alone, atol=1e-4)


def test_siglip_texts_are_padded_to_64(tmp_path: Path) -> None:
    embedder = tiny.load(tiny.save_siglip(tmp_path))
    assert isinstance(embedder, ContrastiveEmbedder)
    lengths: list[int] = []
    embedder._model.text_model.register_forward_pre_hook(
        lambda _, args, kwargs: lengths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    embedder.vectors([TEXT, LONG])
    assert lengths == [64]


def test_long_texts_are_cut_at_the_model_s_length(dual_encoder: ContrastiveEmbedder) -> None:
    vectors = dual_encoder.vectors([SampleInput("endless", "none", None, "a red heart " * 100)])
    assert np.isfinite(vectors).all()


def test_an_empty_sample_is_refused(dual_encoder: ContrastiveEmbedder) -> None:
    with pytest.raises(DataError, match="sample nothing has neither picture nor text"):
        dual_encoder.vectors([TEXT, SampleInput("nothing", "none")])


def test_values_that_are_not_finite_name_the_sample(tmp_path: Path) -> None:
    embedder = tiny.load(tiny.save_clip(tmp_path))
    assert isinstance(embedder, ContrastiveEmbedder)
    embedder._model.visual_projection.weight.data[0, 0] = torch.nan
    with pytest.raises(ModelError, match="not finite for sample image"):
        embedder.vectors([TEXT, IMAGE])


def test_what_a_sample_s_sae_trains_on_is_its_vector(dual_encoder: ContrastiveEmbedder) -> None:
    samples = [replace(BOTH, keeps_states=True), TEXT, replace(LONG, keeps_states=True)]
    embedded = dual_encoder.embed(samples, dual_encoder.representations(None), ("prompt",))
    assert embedded.vectors.shape[:2] == embedded.n_tokens.shape == (1, 3)
    assert (embedded.n_tokens == 1).all()
    assert [(kept.row, list(kept.positions), [ROLES[role] for role in kept.roles]) for kept in embedded.tokens] == [
        (0, [0], ["image"]),
        (2, [0], ["text"]),
    ]
    np.testing.assert_array_equal([kept.states[0] for kept in embedded.tokens], embedded.vectors[0, [0, 2]])
