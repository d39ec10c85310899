"""Which part of a picture each image token stands for: the shape of the grid, and the region that it covers."""

from dataclasses import dataclass
from math import isqrt
from typing import Any

import torch

Region = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of a picture's width and height; outside 0 to 1 it is padding."""

WHOLE: Region = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class ImageGrid:
    """Image tokens row by row over a picture.

    Attributes:
        height: rows of tokens.
        width: columns of tokens.
        region: part of the picture that the grid covers; processors may crop or pad.
    """

    height: int
    width: int
    region: Region


def image_grid(
    processor: Any, vision: dict[str, torch.Tensor], n_tokens: int, picture_size: tuple[int, int]
) -> ImageGrid | None:
    """Tell how the image tokens of one picture lie over it.

    Models of variable resolution announce their grid of patches (``image_grid_thw``), which the model merges in
    squares. Others see one rectangle of pixels: a grid of the same proportions is the only one that its tokens can
    form. A picture cut into several tiles forms none. Learnt queries, which stand for no place, are recognised only
    where their number does not fit the proportions.

    Args:
        processor: the model's processor.
        vision: arguments of the vision tower for this picture.
        n_tokens: image tokens of the picture.
        picture_size: its width and height, pixels.

    Returns:
        The grid, or None if it cannot be told.
    """
    if "image_grid_thw" in vision:
        _, *patches = vision["image_grid_thw"][0].tolist()
        merged = getattr(processor.image_processor, "merge_size", 1)
        height, width = (side // merged for side in patches)
        return ImageGrid(height, width, WHOLE) if height * width == n_tokens else None
    pixels = vision.get("pixel_values")
    if pixels is None or pixels.ndim < 4 or pixels.shape[:-3].numel() != 1:
        return None
    pixel_height, pixel_width = pixels.shape[-2:]
    height = isqrt(n_tokens * pixel_height // pixel_width)
    if height == 0 or n_tokens % height or height * pixel_width != n_tokens // height * pixel_height:
        return None
    return ImageGrid(height, n_tokens // height, _region(processor.image_processor, *picture_size))


def _region(image_processor: Any, width: int, height: int) -> Region:
    """Return the part of a picture that a processor of fixed resolution keeps: it may pad, then resize, then crop."""
    page_width, page_height = width, height
    if getattr(image_processor, "do_pad", False) and hasattr(image_processor, "pad_to_square"):
        page_width = page_height = max(width, height)
    if getattr(image_processor, "do_center_crop", False):
        across, down = _scales(image_processor, page_width, page_height)
        page_width = image_processor.crop_size["width"] / across
        page_height = image_processor.crop_size["height"] / down
    half_width, half_height = page_width / width / 2, page_height / height / 2
    return 0.5 - half_width, 0.5 - half_height, 0.5 + half_width, 0.5 + half_height


def _scales(image_processor: Any, width: int, height: int) -> tuple[float, float]:
    """Return what resizing multiplies width and height by."""
    if not image_processor.do_resize:
        return 1.0, 1.0
    size = image_processor.size
    if "shortest_edge" in size:
        scale = size["shortest_edge"] / min(width, height)
        return scale, scale
    return size["width"] / width, size["height"] / height
