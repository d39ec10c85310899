"""The quadrant control: art pasted where we know it is, so that attention that follows it can be told from habit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline_core.activations.plan import Request
from pipeline_core.attention.capture import Array
from pipeline_core.retrieval.randomness import generator

QUADRANTS = ("upper_left", "upper_right", "lower_left", "lower_right")

BLOCK = 2 * len(QUADRANTS)
"""Pictures dealt together: two halves, each with its art once in every quadrant, and each the other's control."""


@dataclass(frozen=True)
class Placed:
    """A picture and the quadrant that its art is pasted into."""

    request: Request
    quadrant: str


def place(requests: Sequence[Request], seed: int) -> tuple[Placed, ...]:
    """Deal pictures in random order into blocks, as ``compare`` reads them; up to seven are left over.

    Args:
        requests: the pictures.
        seed: of the order.
    """
    order = generator(seed, "attention/place").permutation(len(requests))[: len(requests) // BLOCK * BLOCK]
    return tuple(Placed(requests[pick], QUADRANTS[n % len(QUADRANTS)]) for n, pick in enumerate(order))


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


def quadrant_shares(image: Array, grid_h: int, grid_w: int) -> Array:
    """Return the share [..., quadrants] of the attention to image tokens that falls into each quadrant.

    Cells that the middle of an odd grid runs through are split by area. Without attention the shares are NaN.

    Args:
        image: attention to each image token, row by row [..., grid_h * grid_w].
        grid_h: rows of image tokens.
        grid_w: columns of image tokens.
    """
    cells = image.reshape(*image.shape[:-1], grid_h, grid_w)
    inside = np.einsum("...hw,rh,cw->...rc", cells, _halves(grid_h), _halves(grid_w))
    total = image.sum(axis=-1)[..., None]
    inside = inside.reshape(*image.shape[:-1], len(QUADRANTS))
    shares: Array = np.divide(inside, total, out=np.full_like(inside, np.nan), where=total > 0)
    return shares


def compare(shares: Array) -> tuple[Array, Array]:
    """Return each picture's share in the quadrant of its own art, and that quadrant's under shuffled pictures.

    A picture's control is the mean over the four pictures of the other half of its block, whose art is once in every
    quadrant, its own included. So each picture serves once for every quadrant, and as its four shares sum to 1, the
    mean control of a block is exactly 1/4: what it costs in one quadrant it gives back in the others.

    Where a share is NaN, so is all of its block, which keeps every block balanced.

    Args:
        shares: of placed pictures, in the order of ``place`` [pictures, ..., quadrants].

    Returns:
        Mass and control, both [pictures, ...].
    """
    n = len(QUADRANTS)
    blocks = shares.reshape(-1, 2, n, *shares.shape[1:])
    own = np.stack([blocks[:, :, quadrant, ..., quadrant] for quadrant in range(n)], axis=2)
    other = np.moveaxis(blocks[:, ::-1].mean(axis=2), -1, 2)
    lost = np.isnan(own + other).any(axis=(1, 2), keepdims=True)
    mass, control = (np.where(lost, np.nan, of).reshape(shares.shape[:-1]) for of in (own, other))
    return mass, control


def _halves(n_cells: int) -> Array:
    """Return how much of each cell along one side lies in its first and in its second half [2, cells]."""
    first: Array = np.clip(n_cells / 2 - np.arange(n_cells), 0.0, 1.0)
    return np.stack([first, first[::-1]])
