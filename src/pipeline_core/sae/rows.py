"""What training asks of rows of features [S, D] or of states, on any device."""

from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import mse_loss, normalize

from pipeline_core.compiled import in_any_order
from pipeline_core.sae.shares import by_shares

Floats = npt.NDArray[np.floating]


def turn_only(gradient: Tensor, rows: Tensor) -> None:
    """Leave of the gradient of rows at unit norm only what turns them."""
    gradient.sub_((gradient * rows).sum(1, keepdim=True) * rows)


def to_unit_norm(rows: Tensor) -> None:
    """Bring rows to unit norm; those of zeros stay."""
    rows.copy_(normalize(rows))


def squared_distance(rows: Tensor, centre: Tensor) -> Tensor:
    """Return the sum of squared distances of rows [n, D] from a centre [D], a scalar on their device, float64."""
    if rows.is_cuda:
        return mse_loss(rows, centre.expand_as(rows), reduction="sum").double()
    return torch.tensor(sum(by_shares(partial(_squared_distance, centre.numpy()), rows)), dtype=torch.float64)


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
