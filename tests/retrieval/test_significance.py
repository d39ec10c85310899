import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipeline_core.retrieval import significance
from pipeline_core.retrieval.significance import bootstrap_intervals, corrected, permutation_p


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=20, max_size=60))
def test_the_interval_contains_the_mean(values):
    array = np.array([values])
    low, high = bootstrap_intervals(array, 500, rng())
    assert low[0] - 1e-12 <= array.mean() <= high[0] + 1e-12


def test_the_interval_agrees_with_scipy():
    values = np.random.default_rng(0).random(200)
    low, high = bootstrap_intervals(values[None], 4000, rng())
    theirs = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    assert low[0] == pytest.approx(theirs.low, abs=0.005)
    assert high[0] == pytest.approx(theirs.high, abs=0.005)


def test_quantities_of_the_same_queries_share_resamples_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch):
    values = np.random.default_rng(0).random((2, 30))
    both = bootstrap_intervals(np.concatenate([values, values]), 100, rng())
    monkeypatch.setattr(significance, "BLOCK_ENTRIES", 30 * 7)
    alone = bootstrap_intervals(values, 100, rng())
    for together, apart in zip(both, alone, strict=True):
        np.testing.assert_allclose(together[:2], together[2:])
        np.testing.assert_allclose(together[:2], apart)


def test_equal_systems_have_p_one():
    assert permutation_p(np.zeros((1, 40)), 500, rng()).tolist() == [1.0]


def test_p_is_that_of_all_sign_flips():
    difference = np.array([1.0, 1.0, 0.0, 1.0, -1.0, 1.0, 1.0, 0.3])
    flips = [abs(np.dot(signs, difference)) for signs in itertools.product((-1, 1), repeat=len(difference))]
    exact = np.mean(np.array(flips) >= abs(difference.sum()) - 1e-9)
    assert permutation_p(difference[None], 20000, rng())[0] == pytest.approx(exact, abs=0.01)


def test_a_clear_difference_has_the_smallest_p_there_is():
    assert permutation_p(np.ones((1, 100)), 999, rng())[0] == pytest.approx(1 / 1000)


def test_p_is_even_when_nothing_differs():
    differences = np.random.default_rng(3).standard_normal((400, 30))
    p = permutation_p(differences, 200, rng())
    assert 0.02 < (p <= 0.05).mean() < 0.09


def test_correction_is_benjamini_and_hochbergs():
    p = np.array([0.01, 0.04, 0.03, 0.5])
    np.testing.assert_allclose(corrected(p), [0.04, 0.16 / 3, 0.16 / 3, 0.5])
