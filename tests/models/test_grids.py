"""Grids of image tokens: against the real processors and towers, by changing one part of a picture."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.grids import WHOLE, ImageGrid, image_grid
from pipeline_core.models.samples import IMAGE, SampleInput
from tests.models import tiny


class Processor:
    """A processor of which only the image processor is asked."""

    def __init__(self, image_processor: object) -> None:
        self.image_processor = image_processor


def image_states(embedder: GenerativeEmbedder, image: Image.Image) -> tuple[np.ndarray, ImageGrid | None]:
    """What enters the decoder at the image tokens [tokens, width], and their grid."""
    batch = embedder.prepare([SampleInput("s", "image", image, None, "Summarize:")])
    seen: list[torch.Tensor] = []
    embedder.run(batch, lambda layer, states: seen.append(states) if layer == 0 else None)
    return seen[0][0, batch.roles[0] == IMAGE].numpy(), embedder.image_grid(batch.samples[0])


@pytest.mark.parametrize(
    ("family", "size", "shape"),
    [
        ("llava", (32, 32), (2, 2)),
        ("paligemma", (32, 32), (2, 2)),
        ("paligemma", (60, 30), (2, 2)),
        ("paddle", (48, 48), (3, 3)),
        ("paddle", (64, 32), (2, 4)),
        ("paddle", (32, 80), (5, 2)),
    ],
)
def test_a_part_of_the_picture_changes_its_own_token_most(
    family: str, size: tuple[int, int], shape: tuple[int, int], request: pytest.FixtureRequest
) -> None:
    embedder = request.getfixturevalue(family)
    plain = Image.new("RGB", size, "white")
    before, grid = image_states(embedder, plain)
    assert grid is not None
    assert (grid.height, grid.width) == shape
    assert grid.region == WHOLE
    width, height = size[0] / grid.width, size[1] / grid.height
    for row in range(grid.height):
        for column in range(grid.width):
            changed = plain.copy()
            box = (column * width, row * height, (column + 1) * width, (row + 1) * height)
            changed.paste((20, 90, 160), tuple(round(edge) for edge in box))
            after, _ = image_states(embedder, changed)
            assert np.abs(after - before).sum(axis=1).argmax() == row * grid.width + column


@pytest.mark.parametrize("size", [(50, 40), (40, 50), (32, 32), (90, 31)])
@pytest.mark.parametrize(
    "image_processor",
    [
        CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        CLIPImageProcessorPil(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32}),
        CLIPImageProcessorPil(size={"height": 40, "width": 36}, crop_size={"height": 32, "width": 32}),
        CLIPImageProcessorPil(do_resize=False, crop_size={"height": 32, "width": 32}),
        CLIPImageProcessorPil(size={"height": 32, "width": 32}, do_center_crop=False),
        LlavaImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}, do_pad=True),
    ],
    ids=["crop", "smaller crop", "squash and crop", "crop only", "squash", "pad"],
)
def test_the_region_is_what_the_processor_keeps(image_processor: CLIPImageProcessorPil, size: tuple[int, int]) -> None:
    """A picture that brightens to the right and downwards tells at each pixel where it was taken from."""
    width, height = size
    ramp = np.zeros((height, width, 3), dtype=np.uint8)
    ramp[..., 0] = 40 + 200 * (np.arange(width) + 0.5) / width
    ramp[..., 1] = 40 + 200 * (np.arange(height)[:, None] + 0.5) / height
    options = {"do_normalize": False, "return_tensors": "pt"}
    pixels = image_processor(images=[Image.fromarray(ramp)], **options)["pixel_values"]
    grid = image_grid(Processor(image_processor), {"pixel_values": pixels}, 16, size)
    assert grid is not None
    assert (grid.height, grid.width) == (4, 4)
    left, top, right, bottom = grid.region
    place = (np.arange(32) + 0.5) / 32
    for channel, (start, end), n_pixels in ((0, (left, right), width), (1, (top, bottom), height)):
        expected = start + (end - start) * place
        values = pixels[0, channel].numpy()
        found = (values[16] if channel == 0 else values[:, 16]) * 255.0
        inside = (expected > 0.06) & (expected < 0.94)  # resizing blurs what lies at the edge
        assert inside.sum() >= 8
        step = 1.5 / n_pixels + 1.5 / 32 * (end - start)  # edges are rounded to pixels, before and after resizing
        np.testing.assert_allclose((found[inside] - 40.0) / 200.0, expected[inside], atol=step)


@pytest.mark.parametrize(
    ("vision", "n_tokens"),
    [
        ({}, 16),
        ({"pixel_values": torch.zeros(1, 3, 32, 32)}, 17),  # a class token among them
        ({"pixel_values": torch.zeros(1, 3, 32, 64)}, 16),  # no whole number of square cells
        ({"pixel_values": torch.zeros(1, 3, 64, 16)}, 1),
        ({"pixel_values": torch.zeros(1, 5, 3, 32, 32)}, 16),  # tiles
        ({"pixel_values": torch.zeros(64, 12), "image_grid_thw": torch.tensor([[1, 8, 8]])}, 17),
    ],
    ids=["none", "class token", "oblong", "too few", "tiles", "other tokens"],
)
def test_a_grid_that_cannot_be_told_is_not_guessed(vision: dict[str, torch.Tensor], n_tokens: int) -> None:
    assert image_grid(Processor(CLIPImageProcessorPil()), vision, n_tokens, (32, 32)) is None


def test_pixels_that_are_not_square_give_a_grid_of_their_proportions() -> None:
    processor = Processor(CLIPImageProcessorPil(do_center_crop=False, size={"height": 32, "width": 64}))
    grid = image_grid(processor, {"pixel_values": torch.zeros(1, 3, 32, 64)}, 32, (10, 10))
    assert grid == ImageGrid(4, 8, WHOLE)


def test_a_text_has_no_grid(llava: GenerativeEmbedder) -> None:
    assert llava.image_grid(llava.prepare([SampleInput("t", "text", None, "a word", "Summarize:")]).samples[0]) is None


def test_a_picture_that_is_cropped_says_so(llava: GenerativeEmbedder) -> None:
    _, grid = image_states(llava, tiny.picture(0))  # 50 x 40
    assert grid is not None
    np.testing.assert_allclose(grid.region, (0.1, 0.0, 0.9, 1.0))
