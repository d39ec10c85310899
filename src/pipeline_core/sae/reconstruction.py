"""Reconstructions, their error and its gradient in the codes, in one pass over the features that each row uses.

A row's features are read from memory for its reconstruction and are still in a cache for the gradient; apart, as two
operations of torch, each would read them.
"""

from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline_core.compiled import in_any_order
from pipeline_core.sae.shares import by_shares
from pipeline_core.sae.sparse import SparseCodes
from pipeline_core.sae.sums import add_multiples, product

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def compare(codes: SparseCodes, dictionary: Tensor, bias: Tensor, vectors: Tensor) -> tuple[float, Tensor, Tensor]:
    """Compare reconstructions z D + b, on a CPU, with what they are of.

    Args:
        codes: of n vectors, m in all.
        dictionary: D [S, d], C-contiguous.
        bias: b [d].
        vectors: h [n, d].

    Returns:
        The sum of (z D + b - h)^2; the differences z D + b - h [n, d]; and their products with each code's feature [m],
        half the sum's gradient in the codes.
    """
    differences, products = torch.empty_like(vectors), torch.empty_like(codes.values)
    whole = (part.numpy() for part in (codes.values, codes.ids, dictionary, bias, products))
    starts, ends = codes.offsets[:-1], codes.offsets[1:]
    errors = by_shares(partial(_compare, *whole), starts, ends, vectors, differences)
    return sum(errors), differences, products


@in_any_order
def _compare(
    values: Floats,
    ids: Numbers,
    dictionary: Floats,
    bias: Floats,
    products: Floats,
    starts: Numbers,
    ends: Numbers,
    vectors: Floats,
    differences: Floats,
) -> float:
    error = 0.0
    for row in range(len(vectors)):
        own, vector = differences[row], vectors[row]
        for j in range(len(own)):
            own[j] = bias[j] - vector[j]
        add_multiples(own, values, ids, dictionary, starts[row], ends[row])
        for i in range(starts[row], ends[row]):
            products[i] = product(own, dictionary[ids[i]])
        error += float(product(own, own))
    return error
