"""The assembled reference dual encoder offers CLIP's methods."""

import numpy as np
import torch
from safetensors.torch import load_file

from pipeline_core.reference.assembly import read_sentence_encoder
from pipeline_core.reference.dual import DualEncoderModel, DualEncoderProcessor
from pipeline_core.reference.names import HEADS_FILE, WEIGHTS


def test_pictures_and_texts_share_a_space(dual, dual_processor, heart, dog):
    assert isinstance(dual, DualEncoderModel)
    assert isinstance(dual_processor, DualEncoderProcessor)
    inputs = dual_processor(images=[heart, dog], text=["red heart", "dog", "a cat"], padding=True, return_tensors="pt")
    with torch.inference_mode():
        image = dual.get_image_features(inputs["pixel_values"]).pooler_output
        text = dual.get_text_features(inputs["input_ids"], inputs["attention_mask"]).pooler_output
        output = dual(inputs["pixel_values"], inputs["input_ids"], inputs["attention_mask"])
    width = dual.config.projection_dim
    assert image.shape == (2, width)
    assert text.shape == (3, width)
    assert not torch.allclose(image.norm(dim=-1), torch.ones(2), atol=0.05)
    image_unit, text_unit = (
        vectors.numpy() / np.linalg.norm(vectors.numpy(), axis=1, keepdims=True) for vectors in (image, text)
    )
    np.testing.assert_allclose(output.logits_per_text.numpy(), text_unit @ image_unit.T, atol=1e-5)
    assert output.logits_per_image.shape == (2, 3)


def test_texts_are_the_mean_of_their_own_tokens_whatever_the_padding(dual, dual_processor):
    texts = ["dog", "a very long name for an otherwise small picture of a dog"]
    batch = dual_processor.tokenizer(texts, padding=True, return_tensors="pt")
    alone = dual_processor.tokenizer(texts[:1], return_tensors="pt")
    encoder, _ = read_sentence_encoder()
    with torch.inference_mode():
        together = dual.get_text_features(**batch).pooler_output[0]
        single = dual.get_text_features(alone["input_ids"]).pooler_output[0]
        expected = dual.heads.text(encoder(**alone).last_hidden_state.mean(1))[0]
    torch.testing.assert_close(together, single, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(single, expected, atol=1e-5, rtol=1e-5)


def test_the_heads_are_the_shipped_ones(dual):
    shipped = load_file(WEIGHTS / HEADS_FILE)
    held = dual.heads.state_dict()
    assert shipped.keys() == held.keys()
    assert all(torch.equal(held[name], value.float()) for name, value in shipped.items())
