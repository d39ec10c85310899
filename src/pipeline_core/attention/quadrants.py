"""The quadrant control: art pasted where we know it is, so that attention that follows it can be told from habit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline_core.activations.plan import Item
from pipeline_core.attention.capture import Array
from pipeline_core.retrieval.randomness import generator

QUADRANTS = ("upper_left", "upper_right", "lower_left", "lower_right")


@dataclass(frozen=True)
class Placed:
    """A picture with its art in a quadrant, and the position of another, its control, with its art elsewhere."""

    item: Item
    quadrant: str
    control: int


def place(items: Sequence[Item], seed: int) -> tuple[Placed, ...]:
    """Deal items to the quadrants in random order, equally many to each; up to three items are left over.

    Every item is the control of one other. Rounds of four take theirs from the next round, and in turn from each of
    the other quadrants, so that no two quadrants are compared much more often than others.

    Args:
        items: the pictures.
        seed: of the order.
    """
    n_quadrants = len(QUADRANTS)
    rounds = len(items) // n_quadrants
    shuffled = generator(seed, "attention/place").permutation(len(items))[: rounds * n_quadrants]
    placed = []
    for position, pick in enumerate(shuffled):
        number, quadrant = divmod(position, n_quadrants)
        turned = (quadrant + 1 + number % (n_quadrants - 1)) % n_quadrants
        control = (number + 1) % rounds * n_quadrants + turned
        placed.append(Placed(items[pick], QUADRANTS[quadrant], control))
    return tuple(placed)


def paste(art: Image.Image, quadrant: str) -> Image.Image:
    """Return a white square as wide as the art's longer side, the art at half size in the middle of a quadrant.

    Processors that keep the middle of a picture, or pad it, leave the quadrants of a square where they are.

    Args:
        art: the picture.
        quadrant: one of ``QUADRANTS``.
    """
    side = max(art.size)
    half = art.convert("RGB").resize([max(1, length // 2) for length in art.size], Image.Resampling.LANCZOS)
    page = Image.new("RGB", (side, side), "white")
    row, column = divmod(QUADRANTS.index(quadrant), 2)
    left, top = ((side // 2 - length) // 2 for length in half.size)
    page.paste(half, (left + column * (side - side // 2), top + row * (side - side // 2)))
    return page


def quadrant_share(image: Array, grid_h: int, grid_w: int, quadrant: str) -> Array:
    """Return the share [...] of the attention to image tokens that falls into a quadrant.

    Cells that the middle of an odd grid runs through are split by area. Without attention the share is NaN.

    Args:
        image: attention to each image token, row by row [..., grid_h * grid_w].
        grid_h: rows of image tokens.
        grid_w: columns of image tokens.
        quadrant: one of ``QUADRANTS``.
    """
    row, column = divmod(QUADRANTS.index(quadrant), 2)
    cells = image.reshape(*image.shape[:-1], grid_h, grid_w)
    inside: Array = np.einsum("...hw,h,w->...", cells, _half(grid_h, row), _half(grid_w, column))
    total: Array = image.sum(axis=-1)
    share: Array = np.divide(inside, total, out=np.full_like(total, np.nan), where=total > 0)
    return share


def _half(n_cells: int, second: int) -> Array:
    """Return how much of each cell along one side lies in its first or second half."""
    first: Array = np.clip(n_cells / 2 - np.arange(n_cells), 0.0, 1.0)
    return first[::-1] if second else first
