"""What groups of queries say of a statistic: an estimate, its interval, its test, and what could have been seen.

A statistic is a weighted sum of ratios, sum_s w_s N_s / D_s over strata s (tasks, layers, models), each of sums over
independent groups: a hit rate is hits over queries, a relative change the change over the hits of the other. A group
that is met in several strata is drawn in all of them at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from pipeline_core.retrieval.significance import LEVEL, MOST_ERRORS, TINY, Values, ends, reach, resamples, standardised

RESAMPLES = 1999

_MANY = 1_000_000
_KEPT_GROUPS = 1000

POWER = 0.8
"""Chance that an effect of the smallest detectable size is found."""


@dataclass(frozen=True)
class Estimate:
    """A statistic and how sure it is.

    Attributes:
        value: the statistic.
        error: its standard error.
        far: distances of the resamples from it, each in standard errors of its own [samples].
        groups: independent groups.
    """

    value: float
    error: float
    far: Values
    groups: int

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of its 95% interval; where no group differs from another, those of differences of at most one."""
        errors, value = reach(self.far, self.groups), np.asarray(self.value)
        if self.error > TINY:
            low, high = value - errors * self.error, value + errors * self.error
        else:
            low, high = ends(value, np.asarray(0.0), errors, self.groups, self.value - 1, self.value + 1)
        return float(low), float(high)

    def p(self, threshold: float) -> float:
        """Return the two-sided p of the threshold, below 0.05 where the interval leaves it out."""
        distance = abs(self.value - threshold)
        if self.error <= TINY:
            return float(min(1.0, 2 * max(1 - distance, 0.0) ** self.groups))
        errors = distance / self.error
        farther = int((self.far >= errors - TINY).sum()) if errors <= MOST_ERRORS else 0
        student = 2 * stats.t.sf(errors, max(self.groups - 1, 1))
        return float(max((1 + farther) / (1 + len(self.far)), student))

    def detectable(self, tests: int) -> float:
        """Return the least distance from a threshold that is found with a chance of ``POWER`` among so many tests."""
        freedom = max(self.groups - 1, 1)
        level = (1 - LEVEL) / 2 / tests
        return float((stats.t.ppf(1 - level, freedom) + stats.t.ppf(POWER, freedom)) * self.error)


def known(value: float, low: float, high: float) -> Estimate:
    """Return the estimate of a value whose 95% interval is known, as of many independent groups."""
    normal = stats.norm.isf((np.arange(RESAMPLES) + 0.5) / RESAMPLES / 2)
    return Estimate(value, (high - low) / 2 / float(reach(normal, _MANY)), normal, _MANY)


def estimate(tops: Values, bottoms: Values, weights: Values) -> Estimate | None:
    """Estimate a weighted sum of ratios by the studentised cluster bootstrap; see ``significance``.

    Args:
        tops: sums above the line of each group in each stratum [strata, groups].
        bottoms: sums below the line, alike.
        weights: of each stratum.

    Returns:
        None where a ratio has nothing below the line.
    """
    whole, of = bottoms.sum(axis=1), weights
    if not len(whole) or not (whole > TINY).all():
        return None
    ratios, groups = tops.sum(axis=1) / whole, tops.shape[1]
    value = float(of @ ratios)
    left = np.maximum(whole[:, None] - bottoms, TINY)
    influence = (of[:, None] * (tops - ratios[:, None] * bottoms) / left).sum(axis=0)
    error = float(np.sqrt((groups - 1) / groups * np.square(influence).sum()))
    far = []
    for drawn in _draws(groups):
        below = np.maximum(drawn @ bottoms.T, TINY)
        drawn_ratios = drawn @ tops.T / below
        scaled = of / below
        own = scaled @ tops - (scaled * drawn_ratios) @ bottoms
        spread = (drawn * np.square(own)).sum(axis=1)
        far.append(standardised(drawn_ratios @ of - value, spread, groups))
    return Estimate(value, error, np.concatenate(far), groups)


def _draws(groups: int) -> Iterable[Values]:
    """Return how often each group is drawn, alike for all statistics on so many groups."""
    return _kept_draws(groups) if groups <= _KEPT_GROUPS else resamples(groups, RESAMPLES, np.random.default_rng(0))


@lru_cache(maxsize=4)
def _kept_draws(groups: int) -> tuple[Values, ...]:
    return tuple(resamples(groups, RESAMPLES, np.random.default_rng(0)))
