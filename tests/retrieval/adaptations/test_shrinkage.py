import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import OAS, LedoitWolf

from pipeline_core.errors import DataError
from pipeline_core.retrieval import spectrum as spectrum_module
from pipeline_core.retrieval.adaptations.ledoit_wolf import ledoit_wolf, ledoit_wolf_beta
from pipeline_core.retrieval.adaptations.oas import oas, oas_beta
from pipeline_core.retrieval.adaptations.zca import zca
from pipeline_core.retrieval.spectrum import RELATIVE_EPS, Spectrum, spectrum
from tests.retrieval.clouds import D, cosines, embedding_like

BOTH = pytest.mark.parametrize(
    ("beta", "fit", "theirs"), [(ledoit_wolf_beta, ledoit_wolf, LedoitWolf), (oas_beta, oas, OAS)], ids=["lw", "oas"]
)


@BOTH
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(2, 120), block=st.sampled_from([5, 8192]))
def test_the_weight_is_that_of_scikit_learn(beta, fit, theirs, seed, n, block):
    vectors = embedding_like(seed, n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spectrum_module, "BLOCK", block)
        ours = beta(spectrum(vectors))
    assert ours == pytest.approx(theirs().fit(vectors.astype(np.float64)).shrinkage_, rel=1e-7, abs=1e-12)


@BOTH
@pytest.mark.parametrize("n", [8, 80])
def test_what_is_whitened_is_scikit_learns_covariance_over_n_minus_1(beta, fit, theirs, n):
    vectors = embedding_like(3, n)
    side = spectrum(vectors)
    whitening = fit(side)
    shrunk = whitening.basis * (whitening.scales**-2 - side.relative_eps()) @ whitening.basis.T
    expected = theirs().fit(vectors.astype(np.float64)).covariance_ * n / (n - 1)
    np.testing.assert_allclose(shrunk, expected, atol=1e-5 * np.abs(expected).max())


@BOTH
def test_the_estimate_moves_with_no_shift_turn_or_scale(beta, fit, theirs):
    vectors = embedding_like(4).astype(np.float64)
    turn = np.linalg.qr(np.random.default_rng(4).standard_normal((D, D)))[0]
    moved = (1e-3 * vectors @ turn + 5.0).astype(np.float32)
    assert beta(spectrum(moved)) == pytest.approx(beta(spectrum(vectors.astype(np.float32))), rel=1e-3)
    assert spectrum(moved).relative_eps() == pytest.approx(1e-6 * spectrum(vectors).relative_eps(), rel=1e-3)


@BOTH
def test_scaled_vectors_have_the_same_cosines(beta, fit, theirs):
    vectors = embedding_like(5)
    small = vectors * np.float32(2.0**-10)
    one, other = fit(spectrum(vectors)).apply(vectors), fit(spectrum(small)).apply(small)
    np.testing.assert_allclose(cosines(one, one), cosines(other, other), atol=1e-6)
    # An absolute eps would not do: so small a variance is lost in it.
    lost = zca(spectrum(small), 1e-5).apply(small)
    assert np.abs(cosines(lost, lost) - cosines(one, one)).max() > 0.01


@BOTH
def test_more_vectors_are_shrunk_less(beta, fit, theirs):
    vectors = embedding_like(6, 2000)
    estimates = [beta(spectrum(vectors[:n])) for n in (4, 40, 400, 2000)]
    assert estimates == sorted(estimates, reverse=True)
    assert 0.0 < estimates[-1] < 0.01 < estimates[0] <= 1.0


def test_equal_vectors_cannot_be_whitened():
    equal = spectrum(np.full((5, 3), 0.1, dtype=np.float32))
    for fit in (ledoit_wolf, oas):
        with pytest.raises(DataError, match="all 5 vectors are equal"):
            fit(equal)


def test_where_shrinking_changes_nothing_the_weight_is_finite():
    round_cloud = Spectrum(np.zeros(2), np.ones(2), np.eye(2), fourth=8.0, count=10)
    assert (ledoit_wolf_beta(round_cloud), oas_beta(round_cloud)) == (0.0, 1.0)
    np.testing.assert_allclose(ledoit_wolf(round_cloud).scales, (1.0 + RELATIVE_EPS) ** -0.5)
