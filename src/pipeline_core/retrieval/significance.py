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

LEVEL = 0.95
"""Of every interval."""

MOST_ERRORS = 6.0
"""Standard errors that an interval reaches at most to either side: a resample may miss the few groups that differ, and
then knows no error at all."""

BLOCK_ENTRIES = 1 << 22
"""Resampling weights held at a time."""

TINY = 1e-12
"""Below this an error is that of rounding."""


def bootstrap_intervals(
    values: Values, groups: Groups, samples: int, rng: np.random.Generator, least: float = 0.0
) -> tuple[Values, Values]:
    """Return the ends (low [m], high [m]) of 95% intervals of means over queries.

    The studentised cluster bootstrap: a resample draws as many groups as there are, with replacement; its mean is the
    sum of the scores over the number of queries of the groups drawn, and counts by how many of its own standard errors
    it lies from the mean of all. With few groups of unequal sizes this covers what percentiles of the means do not
    (docs/intervals.md). The standard error is the jackknife's, of leaving out one group at a time.

    Args:
        values: per-query scores, or differences of scores, [m, n]: m quantities on the same n queries.
        groups: group of each query [n].
        samples: bootstrap samples.
        rng: source of randomness.
        least: smallest value that a query may have, where 1 is the largest: 0 of scores, -1 of differences.
    """
    sums, sizes = _group_sums(values, groups), np.bincount(groups).astype(np.float64)
    means = sums.sum(axis=1) / sizes.sum()
    # Groups of one query each have the sums for products.
    alone = bool((sizes == 1.0).all())
    squares, products = np.square(sums), sums if alone else sums * sizes
    far = []
    for drawn in resamples(len(sizes), samples, rng):
        drawn_sizes = (drawn @ sizes)[:, None]
        drawn_sums = drawn @ sums.T
        drawn_means = drawn_sums / drawn_sizes
        spread = drawn @ squares.T - 2 * drawn_means * (drawn_sums if alone else drawn @ products.T)
        spread += np.square(drawn_means) * (drawn @ np.square(sizes))[:, None]
        far.append(standardised(drawn_means - means, spread / np.square(drawn_sizes), len(sizes)))
    error = jackknife_error(sums - means[:, None] * sizes, sizes)
    return ends(means, error, reach(np.concatenate(far), len(sizes)), len(sizes), least)


def resamples(groups: int, samples: int, rng: np.random.Generator) -> Iterator[Values]:
    """Yield how often each group is drawn [block, groups], in blocks of bounded size, ``samples`` rows in all."""
    for size in _blocks(samples, groups):
        drawn = rng.integers(0, groups, (size, groups)) + groups * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * groups).reshape(size, groups).astype(np.float64)


def standardised(distances: Values, spread: Values, groups: int) -> Values:
    """Return distances of resamples from the estimate in standard errors of the resample, without sign.

    Args:
        distances: resample minus estimate.
        spread: sum over the groups drawn of the squared influence of each.
        groups: their number.
    """
    error = np.sqrt(np.maximum(spread, 0.0) * groups / max(groups - 1, 1))
    known = error > TINY
    return np.where(
        known, np.abs(distances) / np.where(known, error, 1.0), np.where(np.abs(distances) > TINY, np.inf, 0)
    )


def jackknife_error(residuals: Values, sizes: Values) -> Values:
    """Return standard errors [m] of ratios of sums from the residuals [m, groups] of groups of these sizes [groups]."""
    total = sizes.sum()
    left = np.maximum(total - sizes, TINY)
    return np.asarray(np.sqrt((len(sizes) - 1) / len(sizes) * np.square(residuals / left).sum(axis=-1)))


def reach(far: Values, groups: int) -> Values:
    """Return how many standard errors an interval reaches to each side, by the resamples' [samples, ...].

    Never less than Student's t has it, nor more than ``MOST_ERRORS``.
    """
    student = stats.t.ppf((1 + LEVEL) / 2, max(groups - 1, 1))
    return np.clip(np.quantile(far, LEVEL, axis=0, method="inverted_cdf"), min(student, MOST_ERRORS), MOST_ERRORS)


def ends(
    values: Values, error: Values, errors: Values, groups: int, least: float, most: float = 1.0
) -> tuple[Values, Values]:
    """Return the ends of intervals within the bounds.

    Where no group differs from another the error is not known, and not none: one like none of n may yet be met as often
    as 1 - 0.025^(1/n), the exact bound of a share of which nothing was seen.
    """
    unseen = 1.0 - ((1 - LEVEL) / 2) ** (1 / groups)
    alike = error <= TINY
    below = np.where(alike, unseen * (values - least), errors * error)
    above = np.where(alike, unseen * (most - values), errors * error)
    return np.maximum(values - below, least), np.minimum(values + above, most)


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


def holm(p: Values) -> Values:
    """Return Holm's corrected p-values [m] for one family: below a level, all that lie below are right together."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected_p = np.empty(len(p))
    corrected_p[order] = np.minimum(stepped, 1.0)
    return corrected_p


def _group_sums(values: Values, groups: Groups) -> Values:
    """Sum values [m, n] over the queries of each group [m, groups]."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(groups))[:-1]])
    return np.asarray(np.add.reduceat(values[:, np.argsort(groups, kind="stable")], starts, axis=1))


def _blocks(total: int, width: int) -> Iterator[int]:
    step = max(1, BLOCK_ENTRIES // width)
    for start in range(0, total, step):
        yield min(step, total - start)
