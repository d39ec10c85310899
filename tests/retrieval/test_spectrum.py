import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_core.errors import DataError
from pipeline_core.retrieval import spectrum as spectrum_module
from pipeline_core.retrieval.spectrum import moments, spectrum
from tests.retrieval.clouds import D, embedding_like


def fourth_power(vectors: np.ndarray) -> float:
    """The mean of ||x - mean||^4, in two passes."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    return float(np.mean(np.linalg.norm(centred, axis=1) ** 4))


@pytest.mark.parametrize("block", [1, 7, 80, 8192])
@pytest.mark.parametrize("outlier", [0.0, 1e3])
def test_moments_agree_with_numpy_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch, block, outlier):
    vectors = embedding_like(0)
    vectors[0] += outlier
    monkeypatch.setattr(spectrum_module, "BLOCK", block)
    found = moments(vectors)
    np.testing.assert_allclose(found.mean, vectors.mean(axis=0, dtype=np.float64), rtol=1e-12)
    expected = np.cov(vectors.astype(np.float64), rowvar=False)
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-9, atol=1e-9)
    assert found.fourth == pytest.approx(fourth_power(vectors), rel=1e-9)
    assert found.count == 80


def test_a_mean_ten_thousand_times_the_deviation_costs_no_digits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spectrum_module, "BLOCK", 16)
    vectors = embedding_like(1, offset=3e4)
    assert moments(vectors).fourth == pytest.approx(fourth_power(vectors), rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 40))
def test_the_spectrum_makes_the_covariance_again(seed, n):
    vectors = embedding_like(seed, n)
    found = spectrum(vectors)
    expected = np.cov(vectors.astype(np.float64), rowvar=False)
    again = found.eigenvectors * found.eigenvalues @ found.eigenvectors.T
    np.testing.assert_allclose(again, expected, atol=1e-9 * np.abs(expected).max())
    assert (np.diff(found.eigenvalues) <= 0).all()
    assert (found.eigenvalues >= 0).all()
    assert found.variance == pytest.approx(np.trace(expected) / D)
    # A covariance is no larger than the mean fourth power allows: Jensen.
    assert found.fourth * (1 + 1e-9) >= (found.eigenvalues.sum() * (n - 1) / n) ** 2


def test_shrinking_keeps_the_trace():
    found = spectrum(embedding_like(2))
    for beta in (0.0, 0.3, 1.0):
        assert found.shrunk(beta).sum() == pytest.approx(found.eigenvalues.sum())
    np.testing.assert_allclose(found.shrunk(1.0), found.variance)


def test_a_single_vector_has_no_covariance():
    with pytest.raises(DataError, match="1 vectors are too few"):
        spectrum(embedding_like(0, n=1))
