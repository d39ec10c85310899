"""ReAlign with the shrinkage that the oracle approximation estimates from the data.

As Ledoit and Wolf's, the estimate is of the weight b for which (1 - b) S + b tr(S)/d I is nearest to the true
covariance, here for Gaussian vectors; its formula is of the biased S, the whitening of the unbiased one.
"""

from pipeline_core.retrieval.adaptations import Adaptation, Statistics, System
from pipeline_core.retrieval.adaptations.realign import realign
from pipeline_core.retrieval.maps import Map, Whitening
from pipeline_core.retrieval.spectrum import Spectrum


def oas(spectrum: Spectrum) -> Whitening:
    """Fit ReAlign with ``oas_beta``.

    Raises:
        DataError: all vectors are equal.
    """
    return realign(spectrum, oas_beta(spectrum), spectrum.relative_eps())


def oas_beta(spectrum: Spectrum) -> float:
    """Estimate b by Chen, Wiesel, Eldar and Hero, IEEE Trans. Signal Processing 58 (2010), equation 23, at most 1.

    b = (||S||^2 + tr(S)^2) / ((n + 1) (||S||^2 - tr(S)^2 / d)), for the biased S of Gaussian vectors. As in
    scikit-learn, the equation's terms in 2/d are left out.
    """
    trace, square = spectrum.biased()
    away = (spectrum.count + 1) * (square - trace**2 / len(spectrum.eigenvalues))
    return min(1.0, (square + trace**2) / away) if away > 0.0 else 1.0


class Oas(Adaptation):
    """Each side is whitened with its own estimate."""

    name, label, method, place = "oas", "OAS shrinkage", "OAS shrinkage", 6

    def fit(self, system: System, statistics: Statistics) -> tuple[Map, Map]:
        """Estimate and whiten each side."""
        query_side, candidate_side = statistics.sides()
        return oas(query_side), oas(candidate_side)


MEMBER = Oas()
