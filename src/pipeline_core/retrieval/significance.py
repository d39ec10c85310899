"""Is a difference more than chance? Bootstrap intervals, paired permutation tests, correction for many tests.

Resamples and sign flips are drawn by query, so systems scored on the same queries are compared on the same draws.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import stats

Values = npt.NDArray[np.float64]

LEVEL = (0.025, 0.975)
"""Quantiles of a 95% percentile interval."""

BLOCK_ENTRIES = 1 << 22
"""Resampling weights held at a time."""


def bootstrap_intervals(values: Values, samples: int, rng: np.random.Generator) -> tuple[Values, Values]:
    """Return the ends (low [m], high [m]) of 95% percentile intervals of means over queries.

    Args:
        values: per-query scores, or differences of scores, [m, n]: m quantities on the same n queries.
        samples: bootstrap samples.
        rng: source of randomness.
    """
    n = values.shape[1]
    even = np.full(n, 1.0 / n)
    means = np.concatenate([rng.multinomial(n, even, size=size) @ values.T / n for size in _blocks(samples, n)])
    low, high = np.quantile(means, LEVEL, axis=0)
    return low, high


def permutation_p(differences: Values, permutations: int, rng: np.random.Generator) -> Values:
    """Return two-sided p-values [m] of paired differences [m, n] under random sign flips.

    p = (1 + flips at least as extreme) / (1 + flips), so that p is never 0 and is 1 for equal systems.
    """
    n = differences.shape[1]
    observed = np.abs(differences.sum(axis=1))
    # Sums of the same numbers in another order differ in the last bits; a tie must count as one.
    threshold = observed - 1e-9 * np.maximum(observed, 1.0)
    extreme = np.zeros(len(differences), dtype=np.int64)
    for size in _blocks(permutations, n):
        signs = rng.integers(0, 2, size=(size, n), dtype=np.int8) * 2.0 - 1.0
        extreme += (np.abs(signs @ differences.T) >= threshold).sum(axis=0)
    return np.asarray((1 + extreme) / (1 + permutations))


def corrected(p: Values) -> Values:
    """Return Benjamini and Hochberg's q-values [m] for one family of p-values [m]."""
    return np.asarray(stats.false_discovery_control(p, method="bh")) if len(p) else p


def _blocks(total: int, width: int) -> Iterator[int]:
    step = max(1, BLOCK_ENTRIES // width)
    for start in range(0, total, step):
        yield min(step, total - start)
