"""Subspaces that may be removed: those that features span, and random ones drawn as controls."""

import numpy as np
import numpy.typing as npt

from pipeline_core.activations.vectors import Matrix

FeatureIds = npt.NDArray[np.int64]

NEIGHBOURS = 3
"""Features of the nearest energy among which the energy-matched control draws each of its own."""


def subspace(rows: Matrix) -> Matrix:
    """Return V_r [d, r]: the right singular vectors of rows [m, d] whose singular value is not negligible.

    Negligible is numpy's rule for the rank of a matrix, at the precision of the float32 dictionary.
    """
    _, singular, right = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    threshold = singular.max(initial=0.0) * max(rows.shape) * np.finfo(np.float32).eps
    return np.ascontiguousarray(right[singular > threshold].T, dtype=np.float32)


def energy_matched(energy: npt.NDArray[np.float64], chosen: FeatureIds, rng: np.random.Generator) -> FeatureIds:
    """Draw as many other features, without replacement, so that their total energy is nearly that of the chosen.

    From the largest energy down, one of the ``NEIGHBOURS`` unused features of nearest energy is drawn for each chosen
    one, and what it lacks or exceeds is carried to the next. Where the chosen set holds most of all energy, the total
    falls short, however drawn.

    Args:
        energy: E[z_f] of all features [c].
        chosen: features to be matched [m]; none of them is drawn.
        rng: source of randomness.
    """
    free = np.setdiff1d(np.arange(len(energy)), chosen)
    drawn, lacking = [], 0.0
    for feature in chosen[np.argsort(-energy[chosen], kind="stable")]:
        if not len(free):
            break
        lacking += energy[feature]
        nearest = np.argsort(np.abs(energy[free] - lacking), kind="stable")[:NEIGHBOURS]
        place = rng.choice(nearest)
        drawn.append(free[place])
        lacking -= energy[free[place]]
        free = np.delete(free, place)
    return np.array(drawn, dtype=np.int64)


def energy_ratio(energy: npt.NDArray[np.float64], drawn: FeatureIds, chosen: FeatureIds) -> float:
    """Return the energy of the drawn features over that of the chosen ones."""
    return float(energy[drawn].sum() / max(energy[chosen].sum(), np.finfo(np.float64).tiny))


def random_features(n_features: int, chosen: FeatureIds, rng: np.random.Generator) -> FeatureIds:
    """Draw as many features as were chosen from all the others, evenly."""
    others = np.setdiff1d(np.arange(n_features), chosen)
    return rng.choice(others, size=min(len(chosen), len(others)), replace=False)


def random_subspace(width: int, rank: int, rng: np.random.Generator) -> Matrix:
    """Draw an orthonormal basis [width, rank] of a subspace, evenly over all directions."""
    basis, _ = np.linalg.qr(rng.standard_normal((width, rank)))
    return np.asarray(basis, dtype=np.float32)
