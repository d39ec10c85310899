"""Codes by the feature that each is of: a count, as features are few beside codes, where torch would sort."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline_core.compiled import compiled

Numbers = npt.NDArray[np.int64]


def grouped(ids: Tensor, n_features: int) -> tuple[Tensor, Tensor]:
    """Return codes by feature, on a CPU.

    Args:
        ids: features of codes [m].
        n_features: how many features there are, S.

    Returns:
        Where each feature's codes start, and where the last's end [S + 1]; and the codes' numbers by feature, in the
        order that they had [m].
    """
    starts, order = torch.empty(n_features + 1, dtype=torch.int64), torch.empty_like(ids)
    _group(ids.numpy(), starts.numpy(), order.numpy())
    return starts, order


@compiled
def _group(ids: Numbers, starts: Numbers, order: Numbers) -> None:
    following = np.zeros(len(starts), np.int64)
    for feature in ids:
        following[feature + 1] += 1
    for feature in range(1, len(starts)):
        following[feature] += following[feature - 1]
    starts[:] = following
    for i in range(len(ids)):
        order[following[ids[i]]] = i
        following[ids[i]] += 1
