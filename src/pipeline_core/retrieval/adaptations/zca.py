"""ZCA whitening: ReAlign without shrinkage."""

from typing import Any

from pipeline_core.retrieval.adaptations import Adaptation, Scope, Statistics, System
from pipeline_core.retrieval.adaptations.realign import realign, realign_settings
from pipeline_core.retrieval.maps import Map, Whitening
from pipeline_core.retrieval.spectrum import Spectrum


def zca(spectrum: Spectrum, eps: float) -> Whitening:
    """Fit ZCA whitening: ReAlign without shrinkage."""
    return realign(spectrum, 0.0, eps)


class Zca(Adaptation):
    """Each side is whitened, with ReAlign's eps."""

    name, label, method, place = "zca", "ZCA whitening", "ZCA", 3
    analysed = ("candidates",)

    def fit(self, system: System, statistics: Statistics) -> tuple[Map, Map]:
        """Whiten each side."""
        assert system.eps is not None
        query_side, candidate_side = statistics.sides()
        return zca(query_side, system.eps), zca(candidate_side, system.eps)

    def fields(self, scope: Scope) -> dict[str, Any]:
        """Return ReAlign's eps, and no shrinkage."""
        return {"beta": 0.0, "eps": realign_settings(scope.settings).eps}


MEMBER = Zca()
