"""ReAlign with a shrinkage that the data set themselves: Ledoit and Wolf's estimate, and the oracle approximation.

Both estimate, from vectors x [n, d] alone, the weight b for which (1 - b) S + b tr(S)/d I is nearest to the true
covariance in the mean square (Frobenius norm). Their formulas are of the biased S, over n; the whitening that follows
is of the unbiased one, over n - 1, as everywhere here. The two differ by one factor, which no cosine sees.
"""

from pipeline_core.errors import DataError
from pipeline_core.retrieval.adaptations import Whitening
from pipeline_core.retrieval.spectrum import Spectrum
from pipeline_core.retrieval.whitening import realign

RELATIVE_EPS = 1e-5
"""Added to shrunk eigenvalues, in units of tr(S)/d: an absolute eps may outweigh the shrinkage, or vanish beside it."""


def ledoit_wolf(spectrum: Spectrum) -> Whitening:
    """Fit ReAlign with ``ledoit_wolf_beta``.

    Raises:
        DataError: all vectors are equal.
    """
    return realign(spectrum, ledoit_wolf_beta(spectrum), relative_eps(spectrum))


def oas(spectrum: Spectrum) -> Whitening:
    """Fit ReAlign with ``oas_beta``.

    Raises:
        DataError: all vectors are equal.
    """
    return realign(spectrum, oas_beta(spectrum), relative_eps(spectrum))


def ledoit_wolf_beta(spectrum: Spectrum) -> float:
    """Estimate b by Ledoit and Wolf, J. Multivariate Analysis 88 (2004), at most 1.

    b = (E||x - mean||^4 - ||S||^2) / n / (||S||^2 - tr(S)^2 / d), for the biased S and its Frobenius norm: how unsure S
    is, over how far it lies from its target.
    """
    trace, square = _biased(spectrum)
    unsure = (spectrum.fourth - square) / spectrum.count
    away = square - trace**2 / len(spectrum.eigenvalues)
    return min(max(unsure, 0.0), away) / away if away > 0.0 else 0.0


def oas_beta(spectrum: Spectrum) -> float:
    """Estimate b by Chen, Wiesel, Eldar and Hero, IEEE Trans. Signal Processing 58 (2010), equation 23, at most 1.

    b = (||S||^2 + tr(S)^2) / ((n + 1) (||S||^2 - tr(S)^2 / d)), for the biased S of Gaussian vectors. As in
    scikit-learn, the equation's terms in 2/d are left out.
    """
    trace, square = _biased(spectrum)
    away = (spectrum.count + 1) * (square - trace**2 / len(spectrum.eigenvalues))
    return min(1.0, (square + trace**2) / away) if away > 0.0 else 1.0


def relative_eps(spectrum: Spectrum, share: float = RELATIVE_EPS) -> float:
    """Return ``share`` of tr(S)/d, in squared units of the vectors.

    Raises:
        DataError: all vectors are equal.
    """
    if spectrum.variance == 0.0:
        raise DataError(f"all {spectrum.count} vectors are equal: there is nothing to whiten", "use more varied data")
    return share * spectrum.variance


def _biased(spectrum: Spectrum) -> tuple[float, float]:
    """Return tr(S) and ||S||^2 of the covariance over n."""
    eigenvalues = spectrum.eigenvalues * ((spectrum.count - 1) / spectrum.count)
    return float(eigenvalues.sum()), float(eigenvalues @ eigenvalues)
