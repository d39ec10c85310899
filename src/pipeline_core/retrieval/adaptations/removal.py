"""Removal of a subspace from both sides: that of the features that contribute most to similarity, beside its controls.

Controls remove as many dimensions: features of nearly the same energy, features and directions drawn at random, and
principal components, which are fitted to each task.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from pipeline_core.activations.vectors import top_count
from pipeline_core.errors import ConfigError
from pipeline_core.retrieval.adaptations import Adaptation, Compared, Sae, Scope, Singles, Statistics, System
from pipeline_core.retrieval.maps import Centring, Map, Projection
from pipeline_core.retrieval.randomness import generator
from pipeline_core.retrieval.subspaces import (
    FeatureIds,
    energy_matched,
    energy_ratio,
    random_features,
    random_subspace,
    subspace,
)
from pipeline_core.settings import Section, Share

CONTROLS = {
    "energy_matched": "random features of {energy:.0%} the energy removed",
    "random_features": "random features removed",
    "random_subspace": "random subspace removed",
    "principal_components": "top principal components removed",
}
"""Controls of removal by attribution, all of its rank, and their labels."""

ATTRIBUTION = "top attribution features removed"


class RemovalSettings(Section):
    """Removal of features."""

    share: Share = Field(0.01, description="Share of features whose subspace is removed.")


def removal_settings(settings: Section) -> RemovalSettings:
    """Return removal's own part of the adaptations' settings."""
    own = getattr(settings, MEMBER.name)
    assert isinstance(own, RemovalSettings)
    return own


def recipe_of(sae_id: str) -> str:
    """Return the last part of an SAE's id, which tells it from others of its model."""
    return sae_id.rpartition("/")[2]


class Removal(Adaptation):
    """What systems remove is their ``basis``, or fitted to the task: its principal components, or its mean."""

    name, label, method, colour, place = "removal", "features removed", "features removed", "other", 8
    parameters = RemovalSettings
    statistics = ()

    def fit(self, system: System, statistics: Statistics) -> tuple[Map, Map]:
        """Take the system's basis, or fit both sides together."""
        removal: Map
        if system.basis is not None:
            removal = Projection(system.basis)
        elif system.selection == "mean":
            removal = Centring(statistics.together().mean)
        else:
            assert system.selection == "principal_components"
            removal = Projection(np.ascontiguousarray(statistics.together().basis[:, : system.rank]))
        return removal, removal

    def of_analysis(self, scope: Scope) -> Sequence[System]:
        """Return, for each SAE, removal by attribution at the configured share, and its controls.

        Raises:
            ConfigError: the features to be removed span the whole space.
        """
        share = removal_settings(scope.settings).share
        return [system for sae in scope.saes for system in _at_share(sae, share, scope.seed)]

    def singles(self, scope: Scope) -> Sequence[Singles]:
        """Return, for each SAE, the features of the largest attribution."""
        return [
            Singles(
                System(
                    f"removal-{recipe_of(sae.sae_id)}-single",
                    self.name,
                    f"one feature removed ({recipe_of(sae.sae_id)})",
                    selection="single",
                    sae_id=sae.sae_id,
                    rank=1,
                    named=False,
                ),
                {int(f): subspace(sae.dictionary[[f]]) for f in _ranked(sae)[: scope.single_features]},
            )
            for sae in scope.saes
        ]

    def pairs(self, own: Sequence[System]) -> Sequence[Compared]:
        """Hold removal by attribution against each of its controls."""
        return [
            (system, control)
            for system in own
            for control in own
            if system.selection == "attribution" and control.selection in CONTROLS and control.sae_id == system.sae_id
        ]


MEMBER = Removal()


def _ranked(sae: Sae) -> FeatureIds:
    return sae.features.sort("attribution_rank")["feature_id"].to_numpy().astype(np.int64)


def _at_share(sae: Sae, share: float, seed: int) -> list[System]:
    """Remove the ceil(share * c) features of the largest attribution, and as many dimensions by each control."""
    sae_id, (n_features, width) = sae.sae_id, sae.dictionary.shape
    chosen = _ranked(sae)[: top_count(share, n_features)]
    attributed = subspace(sae.dictionary[chosen])
    rank = attributed.shape[1]
    if rank == width:
        raise ConfigError(
            f"adaptations.removal.share {share} removes features of {sae_id} that span all {width} dimensions",
            "choose a smaller share",
        )
    energy = sae.features.sort("feature_id")["energy"].to_numpy()
    drawn = {
        "energy_matched": energy_matched(energy, chosen, generator(seed, f"energy_matched/{sae_id}")),
        "random_features": random_features(n_features, chosen, generator(seed, f"random_features/{sae_id}")),
    }
    bases = {
        "attribution": attributed,
        **{selection: subspace(sae.dictionary[own])[:, :rank] for selection, own in drawn.items()},
        "random_subspace": random_subspace(width, rank, generator(seed, f"random_subspace/{sae_id}")),
    }
    ratios = {
        selection: energy_ratio(energy, own, chosen) for selection, own in {"attribution": chosen, **drawn}.items()
    }
    recipe = recipe_of(sae_id)
    return [
        System(
            f"removal-{recipe}" + ("" if selection == "attribution" else f"-{selection}"),
            MEMBER.name,
            f"{label.format(energy=ratios.get(selection))} ({recipe})",
            fit_on=None if selection in bases else "support",
            selection=selection,
            sae_id=sae_id,
            share=share,
            energy_ratio=ratios.get(selection),
            rank=rank,
            named=selection == "attribution",
            basis=bases.get(selection),
        )
        for selection, label in ({"attribution": ATTRIBUTION} | CONTROLS).items()
    ]
