"""Which subspaces are removed for a dose response, how far, and the controls that are removed as far.

A dose is a share of the features, a rank of their subspace, or a number of features. At each dose stands removal by
attribution, and beside it controls of as many dimensions.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core.activations.vectors import Matrix, top_count
from pipeline_core.doses.settings import DoseSettings
from pipeline_core.retrieval.adaptations import Compared, Sae, Singles, System
from pipeline_core.retrieval.adaptations.mean_removal import MEMBER as MEAN_REMOVAL
from pipeline_core.retrieval.adaptations.removal import ATTRIBUTION, CONTROLS, recipe_of
from pipeline_core.retrieval.randomness import generator
from pipeline_core.retrieval.subspaces import (
    FeatureIds,
    energy_matched,
    energy_ratio,
    random_features,
    random_subspace,
    subspace,
)

log = logging.getLogger(__name__)

STUDY = "removal"

RANKED = {"attribution": ATTRIBUTION, "energy": "top energy features removed", "bridge": "top bridge features removed"}
"""Selections that take the first features of a ranking; that of bridge is by the sum over j of |B_fj| + |B_jf|."""

LABELS = RANKED | CONTROLS
EACH_SIDE = "mean_each_side"
FITTED = ("principal_components", "mean", EACH_SIDE)
"""Selections that are fitted to each task, on its support split."""


@dataclass(frozen=True)
class DosePlan:
    """All removals on account of one SAE.

    Attributes:
        systems: sets of features or directions, each scored.
        singles: features removed one at a time, those of the largest attribution.
        pairs: (system, baseline) to be tested: at each share, attribution and each of its controls.
    """

    systems: tuple[System, ...]
    singles: Singles
    pairs: tuple[Compared, ...]


@dataclass(frozen=True)
class _Dose:
    """How much is removed: its part of ids and labels, the features that it takes, and their share if that says it."""

    short: str
    label: str
    n_features: int
    share: float | None = None


@dataclass(frozen=True)
class _Source:
    """What an SAE's removals are taken from: its dictionary D [c, d], its features' energy [c] and rankings, draws."""

    sae_id: str
    dictionary: Matrix
    energy: npt.NDArray[np.float64]
    rankings: dict[str, FeatureIds]
    draws: int
    seed: int

    @property
    def recipe(self) -> str:
        return recipe_of(self.sae_id)

    @cached_property
    def random_bases(self) -> list[Matrix]:
        """Bases [d, d] of the whole space, one a draw: the first r columns are the random subspace of rank r."""
        width = self.dictionary.shape[1]
        return [random_subspace(width, width, rng) for rng in self.generators("random_subspace")]

    def top(self, selection: str, n_features: int) -> FeatureIds:
        return self.rankings[selection][:n_features]

    def spanned(self, features: FeatureIds) -> Matrix:
        """Return the basis [d, r] of features, their directions of largest singular value first."""
        return subspace(self.dictionary[features])

    def random_features(self, dose: _Dose) -> list[FeatureIds]:
        """Draw as many features as the dose takes, none of which it takes by attribution; one set a draw."""
        chosen = self.top("attribution", dose.n_features)
        purpose = f"random_features/{dose.short}"
        return [random_features(len(self.dictionary), chosen, rng) for rng in self.generators(purpose)]

    def generators(self, purpose: str) -> Iterator[np.random.Generator]:
        """Yield the generator of each draw of a random control."""
        return (generator(self.seed, f"{purpose}/{self.sae_id}/draw{draw}") for draw in range(self.draws))


def plan_doses(sae: Sae, settings: DoseSettings, share: float, seed: int) -> DosePlan:
    """Choose what to remove.

    A share whose features span the whole space leaves nothing to retrieve with, and one of all features nothing to draw
    controls from: it is left out, and logged.

    Args:
        sae: the sparse autoencoder.
        settings: shares, ranks, numbers of features and of draws.
        share: the share whose subspace is cut to ranks, one of the shares too.
        seed: of the controls.
    """
    features = sae.features
    rankings = {
        "attribution": features.sort("attribution_rank"),
        "energy": features.sort("energy_rank"),
        "bridge": features.sort("bridge_abs", "feature_id", descending=[True, False]),
    }
    source = _Source(
        sae.sae_id,
        sae.dictionary,
        features.sort("feature_id")["energy"].to_numpy(),
        {name: ranked["feature_id"].to_numpy().astype(np.int64) for name, ranked in rankings.items()},
        settings.random_draws,
        seed,
    )
    means = [
        _system(source, "mean", "mean", f"one mean for both sides removed ({source.recipe})"),
        _system(
            source,
            EACH_SIDE,
            EACH_SIDE,
            f"mean of each side removed, support statistics ({source.recipe})",
            MEAN_REMOVAL.name,
        ),
    ]
    shares = [_at_share(source, each) for each in sorted({*settings.shares, share})]
    ranks = _at_ranks(source, share, settings.ranks)
    cumulative = _cumulatively(source, settings.cumulative_features)
    return DosePlan(
        (*means, *(removal for at_share in shares for removal in at_share), *ranks, *cumulative),
        _singles(source, settings.single_features),
        tuple(
            (attribution, control) for attribution, *controls in filter(None, shares) for control in (*controls, *means)
        ),
    )


def _at_share(sae: _Source, share: float) -> list[System]:
    """Remove all dimensions of the top features, by attribution first; every other selection is cut to that rank."""
    n_features, width = sae.dictionary.shape
    dose = _Dose(f"share{share:g}", f"{100 * share:g}% of features", top_count(share, n_features), share)
    chosen = sae.top("attribution", dose.n_features)
    rank = sae.spanned(chosen).shape[1]
    if rank == width or dose.n_features == n_features:
        log.warning(
            "%s: the top %s are %d of %d features and span %d of %d dimensions; this share is left out",
            sae.sae_id,
            dose.label,
            len(chosen),
            n_features,
            rank,
            width,
        )
        return []
    removals = _by_rankings(sae, dose, RANKED, rank)
    for draw, rng in enumerate(sae.generators(f"energy_matched/{dose.short}")):
        matched = energy_matched(sae.energy, chosen, rng)
        removals.append(_of_features(sae, dose, "energy_matched", matched, rank, draw))
    for draw, drawn in enumerate(sae.random_features(dose)):
        removals.append(_of_features(sae, dose, "random_features", drawn, rank, draw))
    return removals + _of_directions(sae, dose, rank)


def _at_ranks(sae: _Source, share: float, ranks: Sequence[int]) -> list[System]:
    """Remove the first directions of the top features of a share, below their full rank, and as many of controls."""
    n_features = top_count(share, len(sae.dictionary))
    full = sae.spanned(sae.top("attribution", n_features)).shape[1]
    removals = []
    for rank in sorted({rank for rank in ranks if rank < full}):
        dose = _Dose(f"rank{rank}", f"rank {rank} of {100 * share:g}% of features", n_features, share)
        removals += [*_by_rankings(sae, dose, RANKED, rank), *_of_directions(sae, dose, rank)]
    return removals


def _cumulatively(sae: _Source, n_features: int) -> list[System]:
    """Remove the first feature, the first two, ..., and as many by energy and at random, while dimensions are left."""
    c, width = sae.dictionary.shape
    # Half of the features at most, so that as many are left to draw the random ones from.
    most = min(n_features, width - 1, c // 2)
    drawn = sae.random_features(_Dose("cumulative", "", most))
    removals = []
    for count in range(1, most + 1):
        dose = _Dose(f"cumulative{count}", "1 feature" if count == 1 else f"{count} features", count)
        removals += _by_rankings(sae, dose, ("attribution", "energy"), count)
        for draw, features in enumerate(drawn):
            removals.append(_of_features(sae, dose, "random_features", features[:count], count, draw))
    return removals


def _singles(sae: _Source, n_features: int) -> Singles:
    chosen = sae.top("attribution", n_features)
    system = _system(sae, "single", "single", f"one feature removed ({sae.recipe})", rank=1, n_features=1)
    return Singles(system, {int(feature): sae.spanned(chosen[[place]]) for place, feature in enumerate(chosen)})


def _by_rankings(sae: _Source, dose: _Dose, selections: Iterable[str], rank: int) -> list[System]:
    """Remove the top features of each ranking."""
    return [_of_features(sae, dose, each, sae.top(each, dose.n_features), rank) for each in selections]


def _of_features(
    sae: _Source, dose: _Dose, selection: str, features: FeatureIds, rank: int, draw: int | None = None
) -> System:
    """Remove the first ``rank`` directions of features, or all where they have fewer."""
    basis = sae.spanned(features)[:, :rank]
    ratio = energy_ratio(sae.energy, features, sae.top("attribution", len(features)))
    return _dosed(sae, dose, selection, basis.shape[1], draw, len(features), ratio, basis)


def _of_directions(sae: _Source, dose: _Dose, rank: int) -> list[System]:
    """Remove as many principal components, and as many random directions in every draw."""
    return [
        _dosed(sae, dose, "principal_components", rank),
        *(
            _dosed(sae, dose, "random_subspace", rank, draw, basis=basis[:, :rank])
            for draw, basis in enumerate(sae.random_bases)
        ),
    ]


def _dosed(
    sae: _Source,
    dose: _Dose,
    selection: str,
    rank: int,
    draw: int | None = None,
    n_features: int | None = None,
    ratio: float | None = None,
    basis: Matrix | None = None,
) -> System:
    """Name the removal of a dose: ``<dose>/<selection>``, with the draw of what is random."""
    drawn, words = ("", "") if draw is None else (f"-draw{draw}", f", draw {draw + 1}")
    label = f"{LABELS[selection].format(energy=ratio)} ({sae.recipe}, {dose.label}{words})"
    extent: dict[str, Any] = {"share": dose.share, "rank": rank, "n_features": n_features, "energy_ratio": ratio}
    return _system(sae, f"{dose.short}/{selection}{drawn}", selection, label, basis=basis, **extent)


def _system(sae: _Source, short: str, selection: str, label: str, adaptation: str = "removal", **extent: Any) -> System:
    """Return a system of this study; ``extent`` is how much it removes, the system's fields of that name."""
    shared: dict[str, Any] = {"selection": selection, "sae_id": sae.sae_id, "named": False, "study": STUDY}
    fit_on = "support" if selection in FITTED else None
    return System(f"{STUDY}/{sae.recipe}/{short}", adaptation, label, fit_on=fit_on, **shared, **extent)
