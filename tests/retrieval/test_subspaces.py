import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_core.retrieval.maps import Projection
from pipeline_core.retrieval.subspaces import energy_matched, energy_ratio, random_features, random_subspace, subspace

C, D = 60, 20


def dictionary(seed: int = 0, c: int = C) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((c, D)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, D - 1))
def test_what_is_left_is_orthogonal_to_every_removed_row_and_stays_when_removed_again(seed, m):
    rows = dictionary(seed)[:m]
    removal = Projection(subspace(rows))
    vectors = np.random.default_rng(seed + 1).standard_normal((9, D)).astype(np.float32)
    left = removal.apply(vectors)
    np.testing.assert_allclose(left @ rows.T, 0.0, atol=1e-4)
    np.testing.assert_allclose(removal.apply(left), left, atol=1e-5)


def test_removal_agrees_with_least_squares():
    rows, vectors = dictionary()[:5], dictionary(1)
    left = vectors - (np.linalg.lstsq(rows.T, vectors.T, rcond=None)[0].T @ rows)
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    np.testing.assert_allclose(Projection(subspace(rows)).apply(vectors), left, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 2 * D))
def test_a_basis_is_orthonormal_and_leads_with_the_largest_singular_values(seed: int, m: int):
    rows = dictionary(seed)[:m]
    basis = subspace(rows)
    assert basis.shape == (D, min(m, D))
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-5)
    held = np.linalg.norm(rows @ basis, axis=0)
    assert (np.diff(held) <= 1e-5).all()


def test_a_repeated_row_adds_no_dimension():
    rows = dictionary()[:4]
    assert subspace(np.concatenate([rows, rows[:2], -rows[:1]])).shape == (D, 4)


def test_energy_is_matched_by_other_features_drawn_once():
    energy = np.random.default_rng(0).exponential(size=400)
    chosen = np.random.default_rng(1).choice(400, size=20, replace=False)
    drawn = energy_matched(energy, chosen, np.random.default_rng(2))
    assert len(set(drawn.tolist()) | set(chosen.tolist())) == 40
    assert energy[drawn].sum() == pytest.approx(energy[chosen].sum(), rel=0.02)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 39))
def test_no_control_draws_a_chosen_feature_or_one_twice(seed: int, m: int):
    rng = np.random.default_rng(seed)
    energy, chosen = rng.exponential(size=40), rng.choice(40, size=m, replace=False)
    for drawn in (energy_matched(energy, chosen, rng), random_features(40, chosen, rng)):
        assert len(drawn) == min(m, 40 - m)
        assert len(set(drawn.tolist()) | set(chosen.tolist())) == m + len(drawn)


def test_the_energy_of_a_control_is_told_as_a_ratio():
    energy = np.array([4.0, 1.0, 2.0, 0.0])
    assert energy_ratio(energy, np.array([1, 2]), np.array([0])) == pytest.approx(0.75)
    assert energy_ratio(energy, np.array([3]), np.array([0])) == 0.0


def test_what_no_feature_equals_is_made_up_by_several():
    energy = np.array([50.0, *np.linspace(12, 0, 99)])
    chosen = np.array([0, 20, 30, 40, 50, 60, 70])
    drawn = energy_matched(energy, chosen, np.random.default_rng(0))
    assert energy[drawn].sum() == pytest.approx(energy[chosen].sum(), rel=0.25)
    assert energy[np.arange(1, 100)].mean() * len(chosen) < 0.6 * energy[chosen].sum()


@pytest.mark.parametrize("rank", [5, D])
def test_a_random_subspace_is_orthonormal(rank: int):
    basis = random_subspace(D, rank, np.random.default_rng(0))
    np.testing.assert_allclose(basis.T @ basis, np.eye(rank), atol=1e-6)
