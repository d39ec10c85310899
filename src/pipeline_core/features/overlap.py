"""Overlap of the top feature sets by energy, attribution and bridge: does the energy go into bridging?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.activations.vectors import top_count
from pipeline_core.features.statistics import Scores, descending

FeatureSet = npt.NDArray[np.bool_]

DRAWS = 1000
"""Draws of random sets; their seed is fixed, so that equal statistics have equal controls."""

_SEED = 0


@dataclass(frozen=True)
class Overlap:
    """Jaccard overlaps of S_E (energy), S_A (attribution) and S_B (bridge), each of ``set_size`` features."""

    set_size: int
    energy_attribution: float
    energy_bridge: float
    attribution_bridge: float
    triple: float


@dataclass(frozen=True)
class RandomOverlap:
    """Overlaps of sets of ``set_size`` drawn at random among ``n_holding`` features: mean and central 95% of the draws.

    All are ``None`` where so few features leave nothing to draw.
    """

    set_size: int
    n_holding: int
    pair: float | None = None
    pair_low: float | None = None
    pair_high: float | None = None
    triple: float | None = None
    triple_low: float | None = None
    triple_high: float | None = None


def top_set(scores: Scores, share: float) -> FeatureSet:
    """Return which features [c] are the top ceil(share * c): signed, descending, ties to the smaller id."""
    members = np.zeros(len(scores), dtype=bool)
    members[descending(scores)[: top_count(share, len(scores))]] = True
    return members


def jaccard(sets: Sequence[FeatureSet]) -> float:
    """Return the size of the intersection over the size of the union, of two or more sets that are not all empty."""
    return float(np.logical_and.reduce(sets).sum() / np.logical_or.reduce(sets).sum())


def overlap(energy: Scores, attribution: Scores, bridge: Scores, share: float) -> Overlap:
    """Compare the top sets [c] of one share."""
    by_energy, by_attribution, by_bridge = (top_set(scores, share) for scores in (energy, attribution, bridge))
    return Overlap(
        top_count(share, len(energy)),
        jaccard((by_energy, by_attribution)),
        jaccard((by_energy, by_bridge)),
        jaccard((by_attribution, by_bridge)),
        jaccard((by_energy, by_attribution, by_bridge)),
    )


def random_overlap(set_size: int, n_holding: int) -> RandomOverlap:
    """Overlap sets drawn among the few features that hold the energy: what top sets would share by living there alone.

    Args:
        set_size: features in each set.
        n_holding: features to draw among.
    """
    if set_size >= n_holding:
        return RandomOverlap(set_size, n_holding)
    rng = np.random.default_rng([_SEED, set_size, n_holding])
    found = np.empty((DRAWS, 2))
    for draw in range(DRAWS):
        sets = np.zeros((3, n_holding), dtype=bool)
        for members in sets:
            members[rng.choice(n_holding, set_size, replace=False)] = True
        found[draw] = jaccard(tuple(sets[:2])), jaccard(tuple(sets))
    pair, triple = found.mean(axis=0)
    (pair_low, triple_low), (pair_high, triple_high) = np.quantile(found, (0.025, 0.975), axis=0)
    numbers = (pair, pair_low, pair_high, triple, triple_low, triple_high)
    return RandomOverlap(set_size, n_holding, *map(float, numbers))
