"""Is a difference more than chance? Bootstrap intervals, paired permutation tests, correction for many tests.

The unit of both is a group of queries (all variants of one emoji), because queries of one group succeed or fail
together: to take them as independent would make intervals and p-values far too confident. Resamples and sign flips are
drawn by group, so systems scored on the same queries are compared on the same draws.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import stats

Values = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]
"""Group of each query [n], numbered from 0 without a gap."""

LEVEL = (0.025, 0.975)
"""Quantiles of a 95% percentile interval."""

BLOCK_ENTRIES = 1 << 22
"""Resampling weights held at a time."""


def bootstrap_intervals(
    values: Values, groups: Groups, samples: int, rng: np.random.Generator
) -> tuple[Values, Values]:
    """Return the ends (low [m], high [m]) of 95% percentile intervals of means over queries.

    A resample draws as many groups as there are, with replacement; its mean is the sum of the scores over the number
    of queries of the groups drawn (the cluster bootstrap).

    Args:
        values: per-query scores, or differences of scores, [m, n]: m quantities on the same n queries.
        groups: group of each query [n].
        samples: bootstrap samples.
        rng: source of randomness.
    """
    sums, sizes = _group_sums(values, groups), np.bincount(groups)
    even = np.full(len(sizes), 1.0 / len(sizes))
    means = []
    for size in _blocks(samples, len(sizes)):
        drawn = rng.multinomial(len(sizes), even, size=size).astype(np.float64)
        means.append(drawn @ sums.T / (drawn @ sizes)[:, None])
    low, high = np.quantile(np.concatenate(means), LEVEL, axis=0)
    return low, high


def permutation_p(differences: Values, groups: Groups, permutations: int, rng: np.random.Generator) -> Values:
    """Return two-sided p-values [m] of paired differences [m, n], all of a group [n] under one random sign.

    p = (1 + flips at least as extreme) / (1 + flips), so that p is never 0 and is 1 for equal systems.
    """
    sums = _group_sums(differences, groups)
    observed = np.abs(sums.sum(axis=1))
    # Sums of the same numbers in another order differ in the last bits; a tie must count as one.
    threshold = observed - 1e-9 * np.maximum(observed, 1.0)
    extreme = np.zeros(len(sums), dtype=np.int64)
    for size in _blocks(permutations, sums.shape[1]):
        signs = rng.integers(0, 2, size=(size, sums.shape[1]), dtype=np.int8) * 2.0 - 1.0
        extreme += (np.abs(signs @ sums.T) >= threshold).sum(axis=0)
    return np.asarray((1 + extreme) / (1 + permutations))


def corrected(p: Values) -> Values:
    """Return Benjamini and Hochberg's q-values [m] for one family of p-values [m]."""
    return np.asarray(stats.false_discovery_control(p, method="bh")) if len(p) else p


def _group_sums(values: Values, groups: Groups) -> Values:
    """Sum values [m, n] over the queries of each group [m, groups]."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(groups))[:-1]])
    return np.asarray(np.add.reduceat(values[:, np.argsort(groups, kind="stable")], starts, axis=1))


def _blocks(total: int, width: int) -> Iterator[int]:
    step = max(1, BLOCK_ENTRIES // width)
    for start in range(0, total, step):
        yield min(step, total - start)
