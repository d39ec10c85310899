"""Codes by the feature that each is of: a count, as features are few beside codes, where torch would sort."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline_core.compiled import compiled

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]


def grouped(ids: Tensor, n_features: int, owners: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return what a bag for each feature needs.

    Args:
        ids: features of codes [m].
        n_features: how many features there are, S.
        owners: the row that each code is of [m].
        values: of each [m].

    Returns:
        Where each feature's codes start [S], and owners and values by feature, in the order that they had [m].
    """
    starts = torch.empty(n_features, dtype=torch.int64)
    by_feature = torch.empty_like(owners), torch.empty_like(values)
    _group(*(part.numpy() for part in (ids, owners, values.contiguous(), starts, *by_feature)))
    return starts, *by_feature


@compiled
def _group(
    ids: Numbers, owners: Numbers, values: Floats, starts: Numbers, owners_by_feature: Numbers, by_feature: Floats
) -> None:
    following = np.zeros(len(starts) + 1, np.int64)
    for feature in ids:
        following[feature + 1] += 1
    for feature in range(len(starts)):
        following[feature + 1] += following[feature]
        starts[feature] = following[feature]
    for i in range(len(ids)):
        place = following[ids[i]]
        owners_by_feature[place], by_feature[place] = owners[i], values[i]
        following[ids[i]] = place + 1
