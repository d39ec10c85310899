import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from pipeline_core.retrieval.adaptations.mean_removal import mean_removal
from pipeline_core.retrieval.adaptations.pca import pca
from pipeline_core.retrieval.adaptations.realign import realign, sweep_beta
from pipeline_core.retrieval.adaptations.shared_pca import shared_pca
from pipeline_core.retrieval.adaptations.zca import zca
from pipeline_core.retrieval.maps import unit
from pipeline_core.retrieval.spectrum import pooled, spectrum
from tests.retrieval.clouds import D, cosines, embedding_like


def dense_realign(vectors: np.ndarray, statistics: np.ndarray, beta: float, eps: float) -> np.ndarray:
    """The paper's equation read literally, by another decomposition (SVD) of numpy's covariance."""
    mean, covariance = statistics.mean(axis=0, dtype=np.float64), np.cov(statistics.astype(np.float64), rowvar=False)
    shrunk = (1 - beta) * covariance + beta * np.trace(covariance) / D * np.eye(D)
    u, s, _ = np.linalg.svd(shrunk)
    e = (vectors.astype(np.float64) - mean) @ u @ np.diag((s + eps) ** -0.5) @ u.T
    return e / np.linalg.norm(e, axis=1, keepdims=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 1), st.sampled_from([1e-5, 1e-2]))
def test_realign_is_the_papers_equation(seed, beta, eps):
    vectors = embedding_like(seed)
    ours = realign(spectrum(vectors), beta, eps).apply(embedding_like(seed + 1))
    np.testing.assert_allclose(ours, dense_realign(embedding_like(seed + 1), vectors, beta, eps), atol=2e-3)


def test_the_code_variant_normalises_before_it_fits():
    vectors = embedding_like(3)
    normalised = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    ours = realign(spectrum(unit(vectors)), 0.1, 1e-5, unit_input=True).apply(vectors)
    np.testing.assert_allclose(ours, dense_realign(normalised, normalised, 0.1, 1e-5), atol=1e-4)


def test_realign_without_shrinkage_is_zca():
    side = spectrum(embedding_like(1))
    np.testing.assert_array_equal(realign(side, 0.0, 1e-5).matrix, zca(side, 1e-5).matrix)


def test_realign_with_full_shrinkage_is_mean_removal():
    vectors, side = embedding_like(2), spectrum(embedding_like(2))
    np.testing.assert_allclose(realign(side, 1.0, 1e-5).apply(vectors), mean_removal(side).apply(vectors), atol=1e-4)


def test_pca_agrees_with_scikit_learn_up_to_signs():
    vectors = embedding_like(4)
    theirs = PCA(n_components=5, whiten=True, svd_solver="full").fit(vectors.astype(np.float64))
    expected = unit(theirs.transform(vectors.astype(np.float64)))
    ours = pca(spectrum(vectors), 1e-12, rank=5).apply(vectors)
    np.testing.assert_allclose(cosines(ours, ours), cosines(expected, expected), atol=1e-4)
    np.testing.assert_allclose(np.abs(ours), np.abs(expected), atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_joint_pca_and_joint_zca_have_equal_cosines(seed):
    queries, candidates = embedding_like(seed, 30), embedding_like(seed + 5000, 40)
    joint = spectrum(np.concatenate([queries, candidates]))
    by_pca, by_zca = (fit.apply for fit in (pca(joint, 1e-5), zca(joint, 1e-5)))
    np.testing.assert_allclose(
        cosines(by_pca(queries), by_pca(candidates)), cosines(by_zca(queries), by_zca(candidates)), atol=1e-4
    )


def test_separate_pca_compares_two_bases():
    queries, candidates = embedding_like(6), embedding_like(7)
    sides = spectrum(queries), spectrum(candidates)
    by_pca = cosines(pca(sides[0], 1e-5).apply(queries), pca(sides[1], 1e-5).apply(candidates))
    by_zca = cosines(zca(sides[0], 1e-5).apply(queries), zca(sides[1], 1e-5).apply(candidates))
    assert np.abs(by_pca - by_zca).max() > 0.1


def test_shared_pca_is_scikit_learns_of_both_sides_about_their_own_means():
    """The sides differ in mean and in number; all components together have the cosines of ZCA by that covariance."""
    queries, candidates = embedding_like(6, 30), embedding_like(7, 80)
    centred = [vectors - vectors.mean(axis=0, dtype=np.float64) for vectors in (queries, candidates)]
    theirs = PCA(whiten=True, svd_solver="full").fit(np.concatenate(centred))
    sides = spectrum(queries), spectrum(candidates)
    within = pooled(*sides)
    np.testing.assert_allclose(within.eigenvalues * 108, theirs.explained_variance_ * 109, rtol=1e-6)
    assert within.fourth == pytest.approx(np.mean(np.linalg.norm(np.concatenate(centred), axis=1) ** 4))
    for rank in (1, 5, D):
        expected = [unit(theirs.transform(vectors)[:, :rank].astype(np.float32)) for vectors in centred]
        fitted = shared_pca(*sides, within, 1e-12, rank)
        ours = [own.apply(vectors) for own, vectors in zip(fitted, (queries, candidates), strict=True)]
        np.testing.assert_allclose(cosines(*ours), cosines(*expected), atol=1e-4)
    white = [unit((vectors @ zca(within, 1e-12).matrix).astype(np.float32)) for vectors in centred]
    np.testing.assert_allclose(cosines(*ours), cosines(*white), atol=1e-4)


def test_shared_pca_of_one_set_is_joint_pca():
    side = spectrum(embedding_like(6))
    for ours in shared_pca(side, side, pooled(side), 1e-5):
        vectors = embedding_like(7)
        np.testing.assert_allclose(
            cosines(ours.apply(vectors), ours.apply(vectors)), cosines(*[pca(side, 1e-5).apply(vectors)] * 2), atol=1e-4
        )


def test_whitened_covariance_is_the_identity():
    vectors, side = embedding_like(8), spectrum(embedding_like(8))
    white = (vectors - side.mean) @ zca(side, 1e-12).matrix.astype(np.float64)
    np.testing.assert_allclose(np.cov(white, rowvar=False), np.eye(D), atol=1e-4)


def test_the_sweep_has_the_cosines_of_realign_at_every_beta():
    queries, candidates = embedding_like(9, 20), embedding_like(10, 50)
    sides = spectrum(queries), spectrum(candidates)
    betas = (0.0, 0.1, 0.5, 1.0)
    swept = sweep_beta(queries, *sides, betas, 1e-5)
    for beta, q, c in zip(betas, swept.queries, swept.candidates(candidates), strict=True):
        expected = cosines(
            realign(sides[0], beta, 1e-5).apply(queries), realign(sides[1], beta, 1e-5).apply(candidates)
        )
        np.testing.assert_allclose(cosines(q, c), expected, atol=1e-4)
