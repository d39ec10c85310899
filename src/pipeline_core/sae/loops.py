"""The largest scores of each row on a CPU: a product and a compiled loop that reads what it gives once."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline_core.compiled import compiled, inlined

Floats = npt.NDArray[np.floating]
Numbers = npt.NDArray[np.int64]

_SCORES, _ROWS = 6 << 20, 1024
"""Scores that are held at a time, and the fewest rows of a product: below, reading the encoder again costs more."""

_FEW = 32
"""Scores among which none is looked at alone unless one is good enough."""


def largest(inputs: Tensor, encoder: Tensor, bias: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest scores W x + b of each row, descending, and whose they are [n, k]; of equals the first."""
    n, step = len(inputs), min(max(1, len(inputs)), max(_ROWS, _SCORES // len(encoder)))
    values, ids = inputs.new_full((n, k), torch.nan), torch.zeros((n, k), dtype=torch.int64)
    scores = inputs.new_empty((step, len(encoder)))
    # Twice as many groups as are kept, a whole number of the compiler's at a time.
    groups, shares = min(-(-2 * k // 64) * 64, len(encoder)), torch.get_num_threads()
    with ThreadPoolExecutor(shares) as threads:
        for start in range(0, n, step):
            rows = inputs[start : start + step]
            block = torch.mm(rows, encoder.T, out=scores[: len(rows)])
            parts = (
                [part.numpy() for part in whole.tensor_split(shares)]
                for whole in (block, values[start : start + step], ids[start : start + step])
            )
            list(threads.map(partial(_largest, bias.numpy(), groups), *parts))
    return values, ids


@compiled
def _largest(bias: Floats, groups: int, scores: Floats, values: Floats, ids: Numbers) -> None:
    """Take the bias into scores [n, S], and their k largest [n, k] out of them; a row of NaN leaves its ``values``."""
    k, width = values.shape[1], scores.shape[1]
    best, whose, of_groups = np.empty(k, scores.dtype), np.empty(k, np.int64), np.empty(groups, scores.dtype)
    good = np.empty(_FEW, np.int64)
    for row in range(len(scores)):
        own = scores[row]
        of_groups[:] = -np.inf
        for start in range(0, width, groups):
            one, more = own[start : start + groups], bias[start : start + groups]
            for i in range(len(one)):
                one[i] += more[i]
                # max() is compiled to one comparison at a time.
                of_groups[i] = one[i] if one[i] > of_groups[i] else of_groups[i]
        # The k-th largest of the groups' largest scores is no more than the k-th of all, and little less.
        taken = 0
        for i in range(groups):
            taken = _insert(of_groups[i], i, best, whose, taken)
        least, taken = best[k - 1], 0
        for start in range(0, width, _FEW):
            few = own[start : start + _FEW]
            if _reach(few, least):
                # Without a branch: which ones are good cannot be foreseen.
                n_good = 0
                for i in range(len(few)):
                    good[n_good] = i
                    n_good += few[i] >= least
                for place in good[:n_good]:
                    taken = _insert(few[place], start + place, best, whose, taken)
        if taken == k:
            values[row], ids[row] = best, whose


@inlined
def _reach(scores: Floats, least: float) -> bool:
    # A number of 32 bits and a branch: what the compiler makes eight comparisons at a time of.
    count = np.uint32(0)
    for i in range(len(scores)):
        if scores[i] >= least:
            count = np.uint32(count + np.uint32(1))
    return bool(count > 0)


@inlined
def _insert(score: float, number: int, best: Floats, whose: Numbers, taken: int) -> int:
    """Put a score into its place among the best, behind its equals; return how many there are."""
    k = len(best)
    if taken == k and score <= best[k - 1]:
        return taken
    place = min(taken, k - 1)
    while place > 0 and best[place - 1] < score:
        best[place], whose[place] = best[place - 1], whose[place - 1]
        place -= 1
    best[place], whose[place] = score, number
    return min(taken + 1, k)
