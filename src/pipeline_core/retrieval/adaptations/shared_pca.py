"""PCA whitening in one basis for both sides, each about its own mean: the reading of the paper's PCA that retrieves.

The basis and its scales are those of the covariance within the sides, S = ((q - 1) S_q + (n - 1) S_c) / (q + n - 2) for
q queries and n candidates: that of all vectors, each less the mean of its side. Of all dimensions its cosines are those
of ZCA whitening by S; truncated, it is what shortens vectors for a search engine.
"""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from pipeline_core.activations.vectors import Matrix
from pipeline_core.retrieval.adaptations import (
    SEPARATE,
    Adaptation,
    Adapted,
    Scope,
    Statistics,
    Swept,
    System,
    truncated,
)
from pipeline_core.retrieval.adaptations.realign import realign_settings
from pipeline_core.retrieval.maps import Map, Whitening
from pipeline_core.retrieval.spectrum import Spectrum, pooled


def shared_pca(
    query_side: Spectrum, candidate_side: Spectrum, shared: Spectrum, eps: float, rank: int | None = None
) -> tuple[Whitening, Whitening]:
    """Fit both sides' whitening by ``shared``, the spectrum within the sides, truncated to ``rank`` if given."""
    basis = np.ascontiguousarray(shared.basis[:, :rank])
    scales = shared.scales(0.0, eps)[:rank]
    return Whitening(query_side.mean, basis, scales, None), Whitening(candidate_side.mean, basis, scales, None)


class SharedPca(Adaptation):
    """Both sides are whitened in one basis, with ReAlign's eps."""

    name, label, method, place = "shared_pca", "PCA whitening, shared basis", "PCA, shared basis", 9
    statistics = SEPARATE

    def fit(self, system: System, statistics: Statistics) -> tuple[Map, Map]:
        """Whiten each side in the basis of both."""
        assert system.eps is not None
        sides = statistics.sides()
        return shared_pca(*sides, pooled(*sides), system.eps, system.rank)

    def fields(self, scope: Scope) -> dict[str, Any]:
        """Return ReAlign's eps."""
        return {"eps": realign_settings(scope.settings).eps}

    def of_grid(self, scope: Scope, swept: Swept) -> Sequence[System]:
        """Add it truncated to each rank; under joint statistics it is PCA."""
        return [*super().of_grid(scope, swept), *truncated(self, scope, swept, self.statistics)]

    def kin(self, system: System) -> Hashable:
        """Put together what differs in the rank alone."""
        return system.fit_on, system.eps

    def adapted(self, family: Sequence[System], statistics: Statistics, queries: Matrix) -> Adapted:
        """Decompose once for a family of ranks."""
        sides, eps = statistics.sides(), family[0].eps
        assert eps is not None
        shared = pooled(*sides)
        return Adapted.by((shared_pca(*sides, shared, eps, system.rank) for system in family), queries)


MEMBER = SharedPca()
