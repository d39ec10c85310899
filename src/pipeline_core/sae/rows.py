"""What a training step does to rows of features [S, D] or of states: in one pass over memory where that is a CPU's."""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import mse_loss, normalize
from torch.nn.utils import get_total_norm

from pipeline_core.compiled import in_any_order
from pipeline_core.sae.shares import by_shares

Floats = npt.NDArray[np.floating]

_LEAST = 1e-12
"""Rows that are shorter are divided by this, as torch's ``normalize`` does."""


def turn_only(gradient: Tensor, rows: Tensor) -> None:
    """Leave of the gradient of rows at unit norm only what turns them."""
    if rows.is_cuda:
        gradient.sub_((gradient * rows).sum(1, keepdim=True) * rows)
    else:
        by_shares(_turn_only, gradient, rows)


def to_unit_norm(rows: Tensor) -> None:
    """Bring rows to unit norm; those of zeros stay."""
    if rows.is_cuda:
        rows.copy_(normalize(rows))
    else:
        by_shares(_to_unit_norm, rows)


def whole_norm(tensors: Sequence[Tensor]) -> Tensor:
    """Return the norm of all numbers of vectors and matrices, a scalar on their device."""
    if tensors[0].is_cuda:
        return get_total_norm(tensors)
    matrices = [tensor.view(1, -1) if tensor.ndim == 1 else tensor for tensor in tensors]
    return torch.tensor(math.sqrt(sum(sum(by_shares(_squares, matrix)) for matrix in matrices)))


def squared_distance(rows: Tensor, centre: Tensor) -> Tensor:
    """Return the sum of squared distances of rows [n, D] from a centre [D], a scalar on their device, float64."""
    if rows.is_cuda:
        return mse_loss(rows, centre.expand_as(rows), reduction="sum").double()
    return torch.tensor(sum(by_shares(partial(_squared_distance, centre.numpy()), rows)), dtype=torch.float64)


@in_any_order
def _turn_only(gradient: Floats, rows: Floats) -> None:
    n, d = rows.shape
    for row in range(n):
        along = np.float32(0.0)
        for i in range(d):
            along += gradient[row, i] * rows[row, i]
        for i in range(d):
            gradient[row, i] -= along * rows[row, i]


@in_any_order
def _to_unit_norm(rows: Floats) -> None:
    n, d = rows.shape
    for row in range(n):
        square = np.float32(0.0)
        for i in range(d):
            square += rows[row, i] * rows[row, i]
        length = max(np.sqrt(square), np.float32(_LEAST))
        for i in range(d):
            rows[row, i] /= length


@in_any_order
def _squares(matrix: Floats) -> np.float64:
    total = np.float64(0.0)
    n, d = matrix.shape
    for row in range(n):
        square = np.float32(0.0)
        for i in range(d):
            square += matrix[row, i] * matrix[row, i]
        total += square
    return total


@in_any_order
def _squared_distance(centre: Floats, rows: Floats) -> np.float64:
    total = np.float64(0.0)
    n, d = rows.shape
    for row in range(n):
        square = np.float32(0.0)
        for i in range(d):
            away = rows[row, i] - centre[i]
            square += away * away
        total += square
    return total
