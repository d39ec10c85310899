"""PCA whitening: ZCA without the final rotation back, so that under separate statistics it compares two bases.

Under joint statistics it has the cosines of joint ZCA, and may be truncated: the fair form of the paper's baseline.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline_core.retrieval.adaptations import ANALYSIS, Adaptation, Scope, Statistics, Swept, System, truncated
from pipeline_core.retrieval.adaptations.realign import realign_settings
from pipeline_core.retrieval.maps import Map, Whitening
from pipeline_core.retrieval.spectrum import Spectrum

SHARES = (8, 4, 2)
"""In an analysis, truncated PCA keeps the width over each of these: the fewest dimensions first."""


def pca(spectrum: Spectrum, eps: float, rank: int | None = None) -> Whitening:
    """Fit PCA whitening, truncated to the ``rank`` largest components if given."""
    basis = np.ascontiguousarray(spectrum.basis[:, :rank])
    return Whitening(spectrum.mean, basis, spectrum.scales(0.0, eps)[:rank], None)


class Pca(Adaptation):
    """Each side is whitened in its own eigenbasis, with ReAlign's eps."""

    name, label, method, place = "pca", "PCA whitening", "PCA", 2
    analysed = ("candidates",)

    def fit(self, system: System, statistics: Statistics) -> tuple[Map, Map]:
        """Whiten each side."""
        assert system.eps is not None
        query_side, candidate_side = statistics.sides()
        return pca(query_side, system.eps, system.rank), pca(candidate_side, system.eps, system.rank)

    def fields(self, scope: Scope) -> dict[str, Any]:
        """Return ReAlign's eps."""
        return {"eps": realign_settings(scope.settings).eps}

    def of_analysis(self, scope: Scope) -> Sequence[System]:
        """Add the fair form, of all dimensions and truncated."""
        label = f"{self.label}, joint statistics"
        shared: dict[str, Any] = {"fit_on": "joint", "named": False, **self.fields(scope)}
        ranks = sorted({max(1, scope.width // share) for share in SHARES})
        return [
            *super().of_analysis(scope),
            System("pca-joint", self.name, label, method=self.method, **shared),
            *(
                System(
                    f"pca-joint-r{rank}",
                    self.name,
                    f"{label}, rank {rank}",
                    rank=rank,
                    method=f"{self.method}, rank {rank}",
                    **shared,
                )
                for rank in ranks
            ),
        ]

    def of_grid(self, scope: Scope, swept: Swept) -> Sequence[System]:
        """Add the fair form truncated to each rank."""
        return [*super().of_grid(scope, swept), *truncated(self, scope, swept, ("joint",))]

    def rivals(self, own: System, paper: System) -> bool:
        """In its fair form only; an analysis has no joint ReAlign, that of the paper's statistics stands for it."""
        return own.fit_on == "joint" and paper.fit_on == ("candidates" if own.study == ANALYSIS else "joint")


MEMBER = Pca()
