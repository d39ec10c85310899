"""Overlap of the top feature sets by energy, attribution and bridge: does the energy go into bridging?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.activations.vectors import top_count
from pipeline_core.features.statistics import Scores, descending

FeatureSet = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Overlap:
    """Jaccard overlaps of S_E (energy), S_A (attribution) and S_B (bridge), each of ``set_size`` features."""

    set_size: int
    energy_attribution: float
    energy_bridge: float
    attribution_bridge: float
    triple: float


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
