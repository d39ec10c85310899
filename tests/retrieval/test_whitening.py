import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from pipeline_core.errors import DataError
from pipeline_core.retrieval import spectrum as spectrum_module
from pipeline_core.retrieval.adaptations import (
    Adaptation,
    Centring,
    Identity,
    Projection,
    Whitening,
    load_adaptations,
    save_adaptations,
    unit,
)
from pipeline_core.retrieval.spectrum import moments, spectrum
from pipeline_core.retrieval.whitening import mean_removal, pca, realign, sweep_beta, zca

D = 12


def sample(seed: int, n: int = 80, offset: float = 20.0) -> np.ndarray:
    """Vectors whose mean holds nearly all of their norm, as a generative model's embeddings do."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((D, D)) * np.geomspace(3, 0.1, D)
    return (rng.standard_normal((n, D)) @ mixing + offset * rng.standard_normal(D)).astype(np.float32)


def dense_realign(vectors: np.ndarray, statistics: np.ndarray, beta: float, eps: float) -> np.ndarray:
    """The paper's equation read literally, by another decomposition (SVD) of numpy's covariance."""
    mean, covariance = statistics.mean(axis=0, dtype=np.float64), np.cov(statistics.astype(np.float64), rowvar=False)
    shrunk = (1 - beta) * covariance + beta * np.trace(covariance) / D * np.eye(D)
    u, s, _ = np.linalg.svd(shrunk)
    e = (vectors.astype(np.float64) - mean) @ u @ np.diag((s + eps) ** -0.5) @ u.T
    return e / np.linalg.norm(e, axis=1, keepdims=True)


def cosines(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    return queries.astype(np.float64) @ candidates.astype(np.float64).T


def test_moments_agree_with_numpy_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch):
    vectors = sample(0)
    monkeypatch.setattr(spectrum_module, "BLOCK", 7)
    mean, covariance = moments(vectors)
    np.testing.assert_allclose(mean, vectors.mean(axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(vectors.astype(np.float64), rowvar=False), rtol=1e-9, atol=1e-9)


def test_a_single_vector_has_no_covariance():
    with pytest.raises(DataError, match="1 vectors are too few"):
        spectrum(sample(0, n=1))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 1), st.sampled_from([1e-5, 1e-2]))
def test_realign_is_the_papers_equation(seed, beta, eps):
    vectors = sample(seed)
    ours = realign(spectrum(vectors), beta, eps).apply(sample(seed + 1))
    np.testing.assert_allclose(ours, dense_realign(sample(seed + 1), vectors, beta, eps), atol=2e-3)


def test_the_code_variant_normalises_before_it_fits():
    vectors = sample(3)
    normalised = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    ours = realign(spectrum(unit(vectors)), 0.1, 1e-5, unit_input=True).apply(vectors)
    np.testing.assert_allclose(ours, dense_realign(normalised, normalised, 0.1, 1e-5), atol=1e-4)


def test_realign_without_shrinkage_is_zca():
    side = spectrum(sample(1))
    np.testing.assert_array_equal(realign(side, 0.0, 1e-5).matrix, zca(side, 1e-5).matrix)


def test_realign_with_full_shrinkage_is_mean_removal():
    vectors, side = sample(2), spectrum(sample(2))
    np.testing.assert_allclose(realign(side, 1.0, 1e-5).apply(vectors), mean_removal(side).apply(vectors), atol=1e-4)


def test_pca_agrees_with_scikit_learn_up_to_signs():
    vectors = sample(4)
    theirs = PCA(n_components=5, whiten=True, svd_solver="full").fit(vectors.astype(np.float64))
    expected = unit(theirs.transform(vectors.astype(np.float64)))
    ours = pca(spectrum(vectors), 1e-12, rank=5).apply(vectors)
    np.testing.assert_allclose(cosines(ours, ours), cosines(expected, expected), atol=1e-4)
    np.testing.assert_allclose(np.abs(ours), np.abs(expected), atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_joint_pca_and_joint_zca_have_equal_cosines(seed):
    queries, candidates = sample(seed, 30), sample(seed + 5000, 40)
    joint = spectrum(np.concatenate([queries, candidates]))
    by_pca, by_zca = (fit.apply for fit in (pca(joint, 1e-5), zca(joint, 1e-5)))
    np.testing.assert_allclose(
        cosines(by_pca(queries), by_pca(candidates)), cosines(by_zca(queries), by_zca(candidates)), atol=1e-4
    )


def test_separate_pca_compares_two_bases():
    queries, candidates = sample(6), sample(7)
    sides = spectrum(queries), spectrum(candidates)
    by_pca = cosines(pca(sides[0], 1e-5).apply(queries), pca(sides[1], 1e-5).apply(candidates))
    by_zca = cosines(zca(sides[0], 1e-5).apply(queries), zca(sides[1], 1e-5).apply(candidates))
    assert np.abs(by_pca - by_zca).max() > 0.1


def test_whitened_covariance_is_the_identity():
    vectors, side = sample(8), spectrum(sample(8))
    white = (vectors - side.mean) @ zca(side, 1e-12).matrix.astype(np.float64)
    np.testing.assert_allclose(np.cov(white, rowvar=False), np.eye(D), atol=1e-4)


def test_the_sweep_has_the_cosines_of_realign_at_every_beta():
    queries, candidates = sample(9, 20), sample(10, 50)
    sides = spectrum(queries), spectrum(candidates)
    betas = (0.0, 0.1, 0.5, 1.0)
    for beta, (q, c) in zip(betas, sweep_beta(queries, candidates, *sides, betas, 1e-5), strict=True):
        expected = cosines(
            realign(sides[0], beta, 1e-5).apply(queries), realign(sides[1], beta, 1e-5).apply(candidates)
        )
        np.testing.assert_allclose(cosines(q, c), expected, atol=1e-4)


@pytest.mark.parametrize(
    "adaptation",
    [
        Identity(),
        mean_removal(spectrum(sample(11))),
        pca(spectrum(sample(11)), 1e-5, rank=3),
        realign(spectrum(unit(sample(11))), 0.1, 1e-5, unit_input=True),
        Projection(np.linalg.qr(sample(11, D))[0][:, :2]),
    ],
    ids=lambda adaptation: type(adaptation).__name__,
)
def test_saved_adaptations_apply_alike(adaptation: Adaptation, tmp_path):
    save_adaptations(tmp_path / "t2i.safetensors", {"queries": adaptation, "candidates": Identity()})
    loaded = load_adaptations(tmp_path / "t2i.safetensors")
    assert {side: type(each) for side, each in loaded.items()} == {"queries": type(adaptation), "candidates": Identity}
    vectors = sample(12)
    np.testing.assert_array_equal(loaded["queries"].apply(vectors), adaptation.apply(vectors))
    norms = np.linalg.norm(adaptation.apply(vectors), axis=1)
    np.testing.assert_allclose(norms, 1.0, rtol=1e-5)


def test_a_vector_equal_to_the_mean_becomes_zero_not_nan():
    assert Centring(np.ones(D)).apply(np.ones((1, D), dtype=np.float32)).tolist() == [[0.0] * D]
    white = Whitening(np.ones(D), np.eye(D, dtype=np.float32))
    assert not white.apply(np.ones((1, D), dtype=np.float32)).any()
