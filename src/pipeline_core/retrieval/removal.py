"""Which subspace to remove: that of the features that contribute most to similarity, and the controls of equal rank."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_core.activations.vectors import Matrix, top_count
from pipeline_core.errors import ConfigError
from pipeline_core.retrieval.randomness import generator

FeatureIds = npt.NDArray[np.int64]

NEIGHBOURS = 3
"""Features of the nearest energy among which the energy-matched control draws each of its own."""


@dataclass(frozen=True)
class SaeInput:
    """A sparse autoencoder whose features are removed: its id, its artifact, and its features artifact."""

    sae_id: str
    sae: Path
    features: Path


@dataclass(frozen=True)
class RemovalPlan:
    """The subspaces removed on account of one SAE: orthonormal bases [d, r] by selection, and by single feature.

    ``matched_energy`` is the energy of the energy-matched features over that of the features chosen by attribution.
    """

    sae_id: str
    share: float
    bases: dict[str, Matrix]
    singles: dict[int, Matrix]
    matched_energy: float

    @property
    def rank(self) -> int:
        """Dimensions that removal by attribution projects out; every control removes as many."""
        return int(self.bases["attribution"].shape[1])


def plan_removal(
    sae_id: str, features: pl.DataFrame, dictionary: Matrix, share: float, n_singles: int, seed: int
) -> RemovalPlan:
    """Choose what to remove.

    Args:
        sae_id: the sparse autoencoder.
        features: table ``features`` (statistics on train and support), one row a feature.
        dictionary: D [c, d].
        share: share of the c features removed, the ceil(share * c) of the largest attribution.
        n_singles: features, of the largest attribution, that are also removed one at a time.
        seed: of the random controls.

    Raises:
        ConfigError: the features to be removed span the whole space.
    """
    n_features, width = dictionary.shape
    ranked = features.sort("attribution_rank")["feature_id"].to_numpy().astype(np.int64)
    chosen = ranked[: top_count(share, n_features)]
    attributed = subspace(dictionary[chosen])
    rank = attributed.shape[1]
    if rank == width:
        raise ConfigError(
            f"retrieval.removal_share {share} removes features of {sae_id} that span all {width} dimensions",
            "choose a smaller share",
        )
    energy = features.sort("feature_id")["energy"].to_numpy()
    matched = energy_matched(energy, chosen, generator(seed, f"energy_matched/{sae_id}"))
    drawn = random_features(n_features, chosen, generator(seed, f"random_features/{sae_id}"))
    return RemovalPlan(
        sae_id,
        share,
        {
            "attribution": attributed,
            "energy_matched": subspace(dictionary[matched])[:, :rank],
            "random_features": subspace(dictionary[drawn])[:, :rank],
            "random_subspace": random_subspace(width, rank, generator(seed, f"random_subspace/{sae_id}")),
        },
        {int(feature): subspace(dictionary[[feature]]) for feature in ranked[:n_singles]},
        energy_ratio(energy, matched, chosen),
    )


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
