"""Bounds that rounding must keep to, whatever the numbers are like; on processors without tiles, too."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline_core.sae import largest as module
from pipeline_core.sae import loops
from pipeline_core.sae.screening import error, rounded

KINDS = {
    "plain": lambda random, shape: random.standard_normal(shape),
    "about one mean": lambda random, shape: random.standard_normal(shape) + 9.0,
    "one outlier a row": lambda random, shape: (
        random.standard_normal(shape) + 1e4 * (np.arange(shape[1]) == random.integers(shape[1], size=(shape[0], 1)))
    ),
    "all alike": lambda random, shape: np.full(shape, 1.0 + random.random()),
    "tiny": lambda random, shape: 1e-30 * random.standard_normal(shape),
    "zeros": lambda random, shape: np.zeros(shape),
    "whole numbers": lambda random, shape: random.integers(-3, 4, shape),
}


def drawn(kind: str, shape: tuple[int, int], seed: int) -> np.ndarray:
    return KINDS[kind](np.random.default_rng(seed), shape).astype(np.float32)


def nothing(width: int) -> np.ndarray:
    return np.zeros(width, dtype=np.float32)


@given(arrays(np.float32, (3, 7), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
@settings(max_examples=50, deadline=None)
def test_numbers_are_rounded_as_torch_rounds_them(vectors: np.ndarray) -> None:
    found = rounded(vectors, nothing(7))
    assert torch.equal(found.vectors, torch.from_numpy(vectors).bfloat16())


@pytest.mark.parametrize("shares", [1, 2, 5])
def test_norms_are_those_of_what_is_rounded_and_of_what_is_lost(shares: int) -> None:
    vectors = drawn("about one mean", (13, 100), 0)
    centre = vectors.mean(axis=0)
    found = rounded(vectors, centre, shares=shares)
    lost = (vectors - centre) - found.vectors.float().numpy()
    np.testing.assert_allclose(found.lengths, np.linalg.norm(vectors - centre, axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.lost, np.linalg.norm(lost, axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.lengths_4, (np.abs(vectors - centre) ** 4).sum(axis=1) ** 0.25, rtol=1e-5)
    np.testing.assert_allclose(found.lost_4, (lost.astype(np.float64) ** 4).sum(axis=1) ** 0.25, rtol=1e-5)


@pytest.mark.parametrize("left", KINDS)
@pytest.mark.parametrize("width", [1, 20, 576])
def test_no_product_is_further_off_than_is_said(left: str, width: int) -> None:
    for right in KINDS:
        holds(left, right, width)


def holds(left: str, right: str, width: int) -> None:
    rows, columns = drawn(left, (30, width), 1), drawn(right, (40, width), 2)
    centre = rows.mean(axis=0)
    one, other = rounded(rows, centre), rounded(columns, nothing(width))
    products = one.vectors.double() @ other.vectors.double().T + torch.from_numpy(columns @ centre)
    exact = rows.astype(np.float64) @ columns.astype(np.float64).T
    off = np.abs(products.numpy() - exact).max(axis=1)
    assert (off <= error(one, other, centre)).all(), right


def test_the_bound_is_of_use() -> None:
    """Wide vectors have errors to either side, of which the sum is far less than it could be."""
    rows, columns = drawn("plain", (30, 2304), 1), drawn("plain", (40, 2304), 2)
    one, other = (rounded(vectors, nothing(2304)) for vectors in (rows, columns))
    products = one.vectors.double() @ other.vectors.double().T
    off = products.numpy() - rows.astype(np.float64) @ columns.astype(np.float64).T
    assert 9 * off.std() < error(one, other, nothing(2304)).mean() < 25 * off.std()


@pytest.fixture(params=[True, False], ids=["screened", "all made"])
def screened(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(module, "screens", lambda: request.param)
    return bool(request.param)


def sorted_whole(inputs: np.ndarray, encoder: np.ndarray, bias: np.ndarray, k: int) -> np.ndarray:
    scores = inputs.astype(np.float64) @ encoder.astype(np.float64).T + bias
    return -np.sort(-scores, axis=1)[:, :k]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("features", "k", "width"), [(64, 1, 5), (700, 20, 33), (2100, 32, 576)])
def test_the_largest_scores_are_those_of_a_sort(
    screened: bool, kind: str, features: int, k: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SCORES", 1)
    monkeypatch.setattr(module, "_ROWS", 50)
    inputs, encoder = drawn(kind, (120, width), 3), drawn("plain", (features, width), 4) / np.sqrt(np.float32(width))
    bias = drawn("plain", (1, features), 5)[0] / 10
    values, ids = module.largest(*(torch.from_numpy(part) for part in (inputs, encoder, bias)), k)
    scale = np.abs(inputs).max() * 1e-5 + 1e-6
    np.testing.assert_allclose(values.numpy(), sorted_whole(inputs, encoder, bias, k), rtol=1e-5, atol=scale)
    own = np.take_along_axis(inputs @ encoder.T + bias, ids.numpy(), axis=1)
    np.testing.assert_allclose(values.numpy(), own, rtol=1e-5, atol=scale)
    assert all(len(set(row)) == k for row in ids.tolist())


def test_more_scores_may_be_open_than_are_noted_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """All features are alike, so that every score of every row is: those of equals are the first."""
    monkeypatch.setattr(module, "screens", lambda: True)
    inputs, features, k = drawn("whole numbers", (700, 8), 8), 1200, 6
    assert len(inputs) * features > 2 * loops._NOTED
    encoder, bias = np.ones((features, 8), dtype=np.float32), nothing(features)
    values, ids = module.largest(*(torch.from_numpy(part) for part in (inputs, encoder, bias)), k)
    np.testing.assert_array_equal(values.numpy(), inputs.sum(axis=1, keepdims=True).repeat(k, axis=1))
    assert ids.tolist() == [list(range(k))] * len(inputs)


def test_screening_is_given_up_where_it_leaves_too_much_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """One row is so much longer than the others that, about their mean, all others look alike."""
    monkeypatch.setattr(module, "screens", lambda: True)
    monkeypatch.setattr(module, "_SCORES", 1)
    monkeypatch.setattr(module, "_ROWS", 50)
    made: list[str] = []
    for way in (module._Screened, module._All):
        find = way.find

        def noted(self, some, values, ids, find=find, name=way.__name__):
            made.append(name)
            return find(self, some, values, ids)

        monkeypatch.setattr(way, "find", noted)
    inputs, encoder = drawn("plain", (200, 64), 6), drawn("plain", (2000, 64), 7)
    inputs[0] *= 1e7
    bias = nothing(2000)
    values, _ = module.largest(*(torch.from_numpy(part) for part in (inputs, encoder, bias)), 8)
    np.testing.assert_allclose(values.numpy(), sorted_whole(inputs, encoder, bias, 8), rtol=1e-4)
    assert made == ["_Screened", "_All", "_All", "_All"]
