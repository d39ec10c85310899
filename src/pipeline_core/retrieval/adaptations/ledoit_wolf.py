"""ReAlign with the shrinkage that Ledoit and Wolf's estimate gives for the data.

It estimates, from vectors x [n, d] alone, the weight b for which (1 - b) S + b tr(S)/d I is nearest to the true
covariance in the mean square (Frobenius norm). The formula is of the biased S, over n; the whitening that follows is of
the unbiased one, over n - 1, as everywhere here. The two differ by one factor, which no cosine sees.
"""

from pipeline_core.retrieval.adaptations import Adaptation, Statistics, System
from pipeline_core.retrieval.adaptations.realign import realign
from pipeline_core.retrieval.maps import Map, Whitening
from pipeline_core.retrieval.spectrum import Spectrum


def ledoit_wolf(spectrum: Spectrum) -> Whitening:
    """Fit ReAlign with ``ledoit_wolf_beta``.

    Raises:
        DataError: all vectors are equal.
    """
    return realign(spectrum, ledoit_wolf_beta(spectrum), spectrum.relative_eps())


def ledoit_wolf_beta(spectrum: Spectrum) -> float:
    """Estimate b by Ledoit and Wolf, J. Multivariate Analysis 88 (2004), at most 1.

    b = (E||x - mean||^4 - ||S||^2) / n / (||S||^2 - tr(S)^2 / d), for the biased S and its Frobenius norm: how unsure S
    is, over how far it lies from its target.
    """
    trace, square = spectrum.biased()
    unsure = (spectrum.fourth - square) / spectrum.count
    away = square - trace**2 / len(spectrum.eigenvalues)
    return min(max(unsure, 0.0), away) / away if away > 0.0 else 0.0


class LedoitWolf(Adaptation):
    """Each side is whitened with its own estimate."""

    name, label, method, place = "ledoit_wolf", "Ledoit-Wolf shrinkage", "Ledoit-Wolf shrinkage", 5

    def fit(self, system: System, statistics: Statistics) -> tuple[Map, Map]:
        """Estimate and whiten each side."""
        query_side, candidate_side = statistics.sides()
        return ledoit_wolf(query_side), ledoit_wolf(candidate_side)


MEMBER = LedoitWolf()
