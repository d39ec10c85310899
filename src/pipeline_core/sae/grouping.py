"""Codes by the feature that each is of: a count, as features are few beside codes, where torch would sort."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline_core.compiled import compiled
from pipeline_core.sae.sparse import SparseCodes

Numbers = npt.NDArray[np.int64]


def grouped(codes: SparseCodes, n_features: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return codes by feature, on a CPU.

    Args:
        codes: m in all.
        n_features: how many features there are, S.

    Returns:
        Where each feature's codes start, and where the last's end [S + 1]; and by feature the codes' numbers, in the
        order that they had [m], and the rows that they are of [m].
    """
    starts = torch.empty(n_features + 1, dtype=torch.int64)
    by_feature = torch.empty_like(codes.ids), torch.empty_like(codes.ids)
    _group(*(part.numpy() for part in (codes.ids, codes.offsets, starts, *by_feature)))
    return starts, *by_feature


@compiled
def _group(ids: Numbers, offsets: Numbers, starts: Numbers, order: Numbers, owners: Numbers) -> None:
    following = np.zeros(len(starts), np.int64)
    for feature in ids:
        following[feature + 1] += 1
    for feature in range(1, len(starts)):
        following[feature] += following[feature - 1]
    starts[:] = following
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            place = following[ids[i]]
            order[place], owners[place] = i, row
            following[ids[i]] = place + 1
