"""Sparse codes of vectors: ragged rows, because only a TopK autoencoder gives every vector the same number."""

from typing import NamedTuple

import torch
from torch import Tensor


class SparseCodes(NamedTuple):
    """Codes of n vectors, row after row; row i holds the entries from ``offsets[i]`` up to ``offsets[i + 1]``.

    Attributes:
        values: [m], >= 0.
        ids: [m], the features that the values belong to, distinct within a row; the id of a zero value means nothing.
        offsets: [n + 1], from 0 to m.
    """

    values: Tensor
    ids: Tensor
    offsets: Tensor

    def owners(self) -> Tensor:
        """Return the row [m] of each entry."""
        rows = torch.arange(len(self.offsets) - 1, device=self.ids.device)
        return rows.repeat_interleave(self.offsets.diff(), output_size=len(self.ids))


def sparse_codes(activations_ns: Tensor) -> SparseCodes:
    """Return the positive entries of dense codes [n, S]; differentiable in them."""
    positive = activations_ns > 0
    offsets = torch.nn.functional.pad(positive.sum(dim=1).cumsum(dim=0), (1, 0))
    return SparseCodes(activations_ns[positive], positive.nonzero()[:, 1], offsets)


def concatenate(blocks: list[SparseCodes]) -> SparseCodes:
    """Return the codes of consecutive blocks of vectors as those of one."""
    counts = torch.cat([block.offsets.diff() for block in blocks])
    offsets = torch.nn.functional.pad(counts.cumsum(dim=0), (1, 0))
    values, ids = (torch.cat([block[part] for block in blocks]) for part in (0, 1))
    return SparseCodes(values, ids, offsets)
