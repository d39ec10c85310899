import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipeline_core.retrieval import significance
from pipeline_core.retrieval.significance import bootstrap_intervals, corrected, holm, permutation_p, resamples


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def alone(values: np.ndarray) -> np.ndarray:
    """Each query its own group."""
    return np.arange(values.shape[1])


def families(count: int, size: int) -> np.ndarray:
    return np.repeat(np.arange(count), size)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=20, max_size=60))
def test_the_interval_contains_the_mean(values):
    array = np.array([values])
    low, high = bootstrap_intervals(array, alone(array), 500, rng())
    assert low[0] - 1e-12 <= array.mean() <= high[0] + 1e-12


def test_the_interval_agrees_with_scipy():
    values = np.random.default_rng(0).random(200)
    low, high = bootstrap_intervals(values[None], np.arange(200), 4000, rng())
    theirs = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    assert low[0] == pytest.approx(theirs.low, abs=0.005)
    assert high[0] == pytest.approx(theirs.high, abs=0.005)


def test_quantities_of_the_same_queries_share_resamples_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch):
    values = np.random.default_rng(0).random((2, 30))
    groups = families(10, 3)
    whole = bootstrap_intervals(np.concatenate([values, values]), groups, 100, rng())
    monkeypatch.setattr(significance, "BLOCK_ENTRIES", 10 * 7)
    blocks = bootstrap_intervals(values, groups, 100, rng())
    for together, apart in zip(whole, blocks, strict=True):
        np.testing.assert_allclose(together[:2], together[2:])
        np.testing.assert_allclose(together[:2], apart)


def test_one_query_a_group_is_the_resampling_of_queries():
    values = np.random.default_rng(0).random((3, 50))
    np.testing.assert_allclose(bootstrap_intervals(values, alone(values), 400, rng()), studentised(values, 50, 400))
    differences = values - 0.45
    signs = rng().integers(0, 2, size=(400, 50), dtype=np.int8) * 2 - 1
    extreme = (np.abs(signs @ differences.T) >= np.abs(differences.sum(axis=1)) - 1e-9).sum(axis=0)
    np.testing.assert_allclose(permutation_p(differences, alone(values), 400, rng()), (1 + extreme) / 401)


def test_a_resample_is_a_ratio_of_sums_over_the_groups_drawn_in_its_own_errors():
    values, groups = np.random.default_rng(1).random((2, 9)), np.array([2, 0, 0, 1, 2, 2, 2, 0, 2])
    np.testing.assert_allclose(
        bootstrap_intervals(values, groups, 300, rng(), least=-1.0), studentised(values, groups, 300, least=-1.0)
    )


def studentised(values: np.ndarray, groups: np.ndarray | int, samples: int, least: float = 0.0) -> list[list[float]]:
    """The same intervals one resample at a time, each made of the queries of the groups drawn."""
    groups = np.arange(groups) if isinstance(groups, int) else groups
    n = int(groups.max()) + 1
    found = []
    (draws,) = resamples(n, samples, rng())
    for own in values:
        far = []
        for counts in draws.astype(int):
            drawn = [group for group in range(n) for _ in range(counts[group])]
            rows = [np.flatnonzero(groups == group) for group in drawn]
            mean, size = own[np.concatenate(rows)].mean(), sum(len(row) for row in rows)
            influence = [(own[row].sum() - mean * len(row)) / size for row in rows]
            error = np.sqrt(np.square(influence).sum() * n / (n - 1))
            distance = abs(mean - own.mean())
            far.append(distance / error if error > 1e-12 else np.inf if distance > 1e-12 else 0.0)
        left_out = np.array([own[groups != group].mean() for group in range(n)])
        error = np.sqrt((n - 1) / n * np.square(left_out - own.mean()).sum())
        errors = np.clip(np.sort(far)[int(np.ceil(0.95 * samples)) - 1], min(stats.t.ppf(0.975, n - 1), 6.0), 6.0)
        found.append([max(own.mean() - errors * error, least), min(own.mean() + errors * error, 1.0)])
    return np.transpose(found).tolist()


MET = 1 - 0.025**0.5
"""As often may one be met that is unlike two that are alike."""


@pytest.mark.parametrize(
    ("value", "least", "ends"), [(1.0, 0.0, (1 - MET, 1.0)), (0.0, 0.0, (0.0, MET)), (0.0, -1.0, (-MET, MET))]
)
def test_groups_that_are_all_alike_leave_open_what_was_not_met(value: float, least: float, ends: tuple[float, float]):
    low, high = bootstrap_intervals(np.full((1, 6), value), families(2, 3), 50, rng(), least)
    assert (low[0], high[0]) == pytest.approx(ends)


@pytest.mark.parametrize("count", [26, 372])
def test_intervals_cover_with_few_groups_of_unequal_sizes(count: int):
    """95 of 100, as benchmarks/interval_coverage.py measures at length; percentiles cover 91 with 26 groups."""
    random, sizes, covered = np.random.default_rng(6), 1 + np.arange(count) % 7 * 4, 0
    groups = np.repeat(np.arange(count), sizes)
    for _ in range(200):
        rates = np.repeat(random.beta(1.2, 2.8, count), sizes)
        values = (random.random(len(groups)) < rates).astype(np.float64)[None]
        low, high = bootstrap_intervals(values, groups, 199, random)
        covered += int(low[0] <= 0.3 <= high[0])
    assert 0.91 <= covered / 200 <= 0.99


def test_holm_corrects_step_by_step():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.5])), [0.04, 0.09, 0.09, 0.5])
    assert holm(np.array([0.6, 0.7])).tolist() == [1.0, 1.0]


def test_repeating_every_query_within_its_group_adds_no_certainty():
    values, groups = np.random.default_rng(2).normal(0.1, 1.0, (2, 40)), np.random.default_rng(3).permutation(40) % 8
    repeated, twice = np.repeat(values, 2, axis=1), np.repeat(groups, 2)
    once = bootstrap_intervals(values, groups, 500, rng())
    np.testing.assert_allclose(bootstrap_intervals(repeated, twice, 500, rng()), once)
    p = permutation_p(values, groups, 500, rng())
    np.testing.assert_allclose(permutation_p(repeated, twice, 500, rng()), p)


def test_queries_that_agree_within_groups_are_worth_less():
    hits = np.random.default_rng(4).random(25) < 0.6
    agreeing = np.repeat(hits, 8).astype(np.float64)[None]
    scattered = np.random.default_rng(5).permutation(agreeing[0])[None]
    groups = families(25, 8)
    (low, high), (low_of_scattered, high_of_scattered) = (
        bootstrap_intervals(values, groups, 1000, rng()) for values in (agreeing, scattered)
    )
    assert high[0] - low[0] > 2 * (high_of_scattered[0] - low_of_scattered[0])
    differences = agreeing - 0.35
    assert permutation_p(differences, groups, 999, rng())[0] > 3 * permutation_p(
        differences, np.arange(200), 999, rng()
    )


def test_equal_systems_have_p_one():
    assert permutation_p(np.zeros((1, 40)), families(10, 4), 500, rng()).tolist() == [1.0]
    assert permutation_p(np.zeros((1, 40)), np.arange(40), 500, rng()).tolist() == [1.0]


def test_p_is_that_of_all_sign_flips():
    difference = np.array([1.0, 1.0, 0.0, 1.0, -1.0, 1.0, 1.0, 0.3])
    flips = [abs(np.dot(signs, difference)) for signs in itertools.product((-1, 1), repeat=len(difference))]
    exact = np.mean(np.array(flips) >= abs(difference.sum()) - 1e-9)
    assert permutation_p(difference[None], np.arange(8), 20000, rng())[0] == pytest.approx(exact, abs=0.01)


def test_a_clear_difference_has_the_smallest_p_there_is():
    assert permutation_p(np.ones((1, 100)), np.arange(100), 999, rng())[0] == pytest.approx(1 / 1000)


def test_p_is_even_when_nothing_differs_but_groups():
    differences = np.repeat(np.random.default_rng(3).standard_normal((400, 30)), 5, axis=1)
    p = permutation_p(differences, families(30, 5), 200, rng())
    assert 0.02 < (p <= 0.05).mean() < 0.09


def test_correction_is_benjamini_and_hochbergs():
    p = np.array([0.01, 0.04, 0.03, 0.5])
    np.testing.assert_allclose(corrected(p), [0.04, 0.16 / 3, 0.16 / 3, 0.5])
