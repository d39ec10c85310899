import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import polar, sqrtm

from pipeline_core.errors import DataError
from pipeline_core.retrieval.adaptations.realign import realign
from pipeline_core.retrieval.adaptations.transport import transport
from pipeline_core.retrieval.maps import Whitening
from pipeline_core.retrieval.spectrum import Spectrum, spectrum
from tests.retrieval.clouds import D, cosines, embedding_like

BETA = 0.1


def shrunk_covariance(vectors: np.ndarray, beta: float, eps: float = 1e-5) -> np.ndarray:
    """S_b of numpy's covariance, with eps in units of its mean variance."""
    covariance = np.cov(vectors.astype(np.float64), rowvar=False)
    variance = np.trace(covariance) / D
    return (1 - beta) * covariance + (beta + eps) * variance * np.eye(D)


def rotation(queries: Whitening) -> np.ndarray:
    assert queries.back is not None
    return queries.back.astype(np.float64) @ queries.basis.T


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.1, 0.5, 1.0]))
def test_candidates_inverse_whitening_after_the_queries_is_the_optimal_map(seed, beta):
    raw_queries, raw_candidates = embedding_like(seed), embedding_like(seed + 5000, 60)
    queries, candidates = transport(spectrum(raw_queries), spectrum(raw_candidates), beta)
    s_q, s_c = shrunk_covariance(raw_queries, beta), shrunk_covariance(raw_candidates, beta)
    root = sqrtm(s_q)
    monge = np.linalg.inv(root) @ sqrtm(root @ s_c @ root) @ np.linalg.inv(root)
    ours = np.linalg.inv(candidates.matrix.T.astype(np.float64)) @ queries.matrix.T
    scale = np.abs(monge).max()
    np.testing.assert_allclose(ours, monge, atol=1e-4 * scale)
    np.testing.assert_allclose(ours, ours.T, atol=1e-4 * scale)
    assert np.linalg.eigvalsh((ours + ours.T) / 2).min() > 0
    np.testing.assert_allclose(ours @ s_q @ ours, s_c, atol=1e-3 * np.abs(s_c).max())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_the_rotation_is_the_orthogonal_factor_of_the_product_of_roots(seed):
    raw_queries, raw_candidates = embedding_like(seed), embedding_like(seed + 5000, 60)
    queries, _ = transport(spectrum(raw_queries), spectrum(raw_candidates), BETA)
    turned = rotation(queries)
    np.testing.assert_allclose(turned @ turned.T, np.eye(D), atol=1e-5)
    product = sqrtm(shrunk_covariance(raw_candidates, BETA)) @ sqrtm(shrunk_covariance(raw_queries, BETA))
    np.testing.assert_allclose(turned, polar(product)[0], atol=1e-4)


def test_candidates_are_realigned_and_queries_are_realigned_and_turned():
    raw, side, other = embedding_like(1), spectrum(embedding_like(1)), spectrum(embedding_like(2))
    queries, candidates = transport(side, other, BETA)
    plain = realign(side, BETA, side.relative_eps()).apply(raw)
    np.testing.assert_allclose(queries.apply(raw), plain @ rotation(queries).T, atol=1e-4)
    np.testing.assert_array_equal(candidates.matrix, realign(other, BETA, other.relative_eps()).matrix)


def test_covariances_that_commute_need_no_rotation():
    side = spectrum(embedding_like(3))
    turned = np.random.default_rng(3).permutation(side.eigenvalues)
    other = Spectrum(side.mean, turned, side.eigenvectors, side.fourth, side.count)
    for first, second in ((side, other), (other, side), (side, side)):
        np.testing.assert_allclose(rotation(transport(first, second, BETA)[0]), np.eye(D), atol=1e-5)


def test_full_shrinkage_leaves_no_rotation():
    queries, _ = transport(spectrum(embedding_like(4)), spectrum(embedding_like(5)), 1.0)
    np.testing.assert_allclose(rotation(queries), np.eye(D), atol=1e-5)


def test_candidates_that_a_symmetric_map_made_of_the_queries_are_found_again():
    queries = embedding_like(6)
    rng = np.random.default_rng(6)
    axes = np.linalg.qr(rng.standard_normal((D, D)))[0]
    stretch = axes * np.geomspace(0.1, 10.0, D) @ axes.T
    candidates = (queries @ stretch + 7.0).astype(np.float32)
    sides = spectrum(queries), spectrum(candidates)
    maps = transport(*sides, 0.0, 1e-9)
    transported = cosines(maps[0].apply(queries), maps[1].apply(candidates))
    np.testing.assert_allclose(np.diag(transported), 1.0, atol=1e-3)
    whitened = cosines(
        *(realign(side, 0.0, 1e-9).apply(x) for side, x in zip(sides, (queries, candidates), strict=True))
    )
    assert np.diag(whitened).mean() < 0.9


def test_the_units_of_a_side_do_not_matter():
    raw, other = embedding_like(7), spectrum(embedding_like(8))
    scaled = raw * np.float32(2.0**-10)
    one, many = transport(spectrum(raw), other, BETA)[0], transport(spectrum(scaled), other, BETA)[0]
    np.testing.assert_allclose(many.apply(scaled), one.apply(raw), atol=1e-5)


def test_equal_vectors_cannot_be_transported():
    with pytest.raises(DataError, match="all 4 vectors are equal"):
        transport(spectrum(np.ones((4, D), dtype=np.float32)), spectrum(embedding_like(9)), BETA)
