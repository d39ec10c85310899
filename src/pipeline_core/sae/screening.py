"""Products of vectors rounded to bfloat16: they tell which of the products of the vectors themselves are worth making.

Processors with tiles of bfloat16 (AMX) make them several times as fast; whatever lies too near a limit is multiplied
in float32. How near, for vectors x and y and their rounded ones x' and y', is the less of two bounds of |x y - x' y'|:
|x - x'| |y'| + |x| |y - y'| (Cauchy and Schwarz), and, as rounding errors are to either side, nine times what the sum
of their squares allows as a standard deviation (Hoeffding), which is beyond it once in 10^17.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline_core.compiled import in_any_order

Floats = npt.NDArray[np.float32]
Bits = npt.NDArray[np.int16]

Run = Callable[..., Iterable[None]]
"""A kind of ``map``: that of an executor calls side by side."""

_UNIT = 2.0**-24
"""Largest relative error of an operation in float32."""

_DEVIATIONS = 9.0
"""Standard deviations that errors are allowed."""

_SMALLEST = np.float32(np.finfo(np.float32).tiny)
"""What may be taken for zero."""

_SPARE = 1.001
"""What the norms, sums in float32 themselves, may be off by, and more."""


@cache
def screens() -> bool:
    """Return whether this processor multiplies bfloat16 in tiles; elsewhere nothing is gained."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


@dataclass(frozen=True)
class Rounded:
    """Vectors [n, d] less a centre, rounded to bfloat16.

    Attributes:
        vectors: the rounded ones [n, d].
        lengths: norms of what was rounded [n].
        lost: norms of what rounding took from each [n].
        lengths_4: as ``lengths``, but the fourth root of the sum of fourth powers.
        lost_4: as ``lost``, likewise.
    """

    vectors: Tensor
    lengths: Floats
    lost: Floats
    lengths_4: Floats
    lost_4: Floats


def rounded(vectors: Floats, centre: Floats, run: Run = map, shares: int = 1) -> Rounded:
    """Round vectors [n, d], C-contiguous, less a centre [d]: as many shares of them as told, by ``run``."""
    n, d = vectors.shape
    bits, norms = np.empty((n, d), np.int16), np.empty((n, 4), np.float32)
    parts = (np.array_split(whole, shares) for whole in (vectors, bits, norms))
    list(run(_round, [centre] * shares, *parts))
    return Rounded(torch.from_numpy(bits).view(torch.bfloat16), *norms.T)


def error(rows: Rounded, columns: Rounded, centre: Floats) -> npt.NDArray[np.float64]:
    """Return how far a product of rounded vectors may be from that of the vectors as they were.

    Args:
        rows: rounded, less a centre [n, d].
        columns: rounded, nothing taken from them [m, d].
        centre: its product with a column is no part of the rounded product, and made in float32 [d].

    Returns:
        The largest difference of each row [n], the errors of sums in float32, in either product, among it.
    """
    length, lost, length_4, lost_4 = (
        float(whole.max(initial=0.0)) for whole in (columns.lengths, columns.lost, columns.lengths_4, columns.lost_4)
    )
    each = rows.lost.astype(np.float64) * (length + lost) + rows.lengths.astype(np.float64) * lost
    likely = np.hypot(rows.lost_4.astype(np.float64) * (length_4 + lost_4), rows.lengths_4.astype(np.float64) * lost_4)
    d = len(centre)
    sums = 2 * min(d + 8.0, _DEVIATIONS * math.sqrt(d)) * _UNIT * length
    near: npt.NDArray[np.float64] = np.minimum(each, _DEVIATIONS * likely)
    near += sums * (rows.lengths + float(np.linalg.norm(centre)))
    return _SPARE * near + d * float(_SMALLEST)


@in_any_order
def _round(centre: Floats, vectors: Floats, bits: Bits, norms: Floats) -> None:
    n, d = vectors.shape
    for row in range(n):
        length, lost = np.float32(0.0), np.float32(0.0)
        length_4, lost_4 = np.float32(0.0), np.float32(0.0)
        for i in range(d):
            number = vectors[row, i] - centre[i]
            whole = np.float32(number).view(np.uint32)
            # To the nearest, of two the even one.
            half = np.uint32(whole + np.uint32(0x7FFF) + ((whole >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
            left = number - np.uint32(half << np.uint32(16)).view(np.float32)
            bits[row, i] = np.int16(half)
            square, left_square = number * number, left * left
            length += square
            lost += left_square
            length_4 += square * square
            lost_4 += left_square * left_square
        # Powers of small numbers are zero.
        small = d * _SMALLEST
        norms[row, 0], norms[row, 1] = np.sqrt(length + small), np.sqrt(lost + small)
        norms[row, 2], norms[row, 3] = np.sqrt(np.sqrt(length_4 + small)), np.sqrt(np.sqrt(lost_4 + small))
