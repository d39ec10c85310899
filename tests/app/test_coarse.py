"""What half the digits find is what all digits find: no product is further off than is said, and ties stay ties."""

import numpy as np
import pytest

from pipeline_core.app import coarse
from pipeline_core.app.coarse import Coarse
from pipeline_core.app.space import CandidateSet, Met

N, WIDTH = 6000, 48


def _vectors(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    scales = np.geomspace(30.0, 1e-3, WIDTH)
    return (random.standard_normal((N, WIDTH)) * scales).astype(np.float32)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
def test_no_product_is_further_off_than_is_said(size: float) -> None:
    vectors, random = _vectors(1), np.random.default_rng(2)
    questions = (size * random.standard_normal((5, WIDTH))).astype(np.float32)
    products, off = Coarse(vectors).products(questions)
    exact = questions.astype(np.float64) @ vectors.T.astype(np.float64)
    assert (np.abs(products - exact) <= off).all()
    assert np.median(off / np.abs(exact)) < 0.05  # or it would tell nothing apart


def _set(vectors: np.ndarray) -> CandidateSet:
    return CandidateSet(np.arange(len(vectors)), vectors)  # type: ignore[arg-type]


def _questions(own: CandidateSet) -> list[Met]:
    random = np.random.default_rng(3)
    near = own.coordinates[[5, 900]].astype(np.float64)
    turned = np.concatenate([near, random.standard_normal((3, WIDTH))])
    return [Met(one / np.linalg.norm(one), 0.25, own.norms) for one in turned]


@pytest.mark.parametrize("helps", [True, False])
def test_the_best_of_all_digits_are_found_with_their_ties(helps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = _vectors(4)
    vectors[1000:1030] = vectors[5]
    vectors[2000:2400] = vectors[900] * np.linspace(1, 1.001, 400, dtype=np.float32)[:, None]  # nearly the same
    monkeypatch.setattr(coarse.Coarse, "helps", staticmethod(lambda n: helps))
    own = _set(vectors)
    assert (own.coarse is not None) is helps
    questions = _questions(own)
    for k in (1, 7, 50, N + 1):
        for question, (places, scores) in zip(questions, own.best(questions, k), strict=True):
            (exact,) = own.cosines([question])
            np.testing.assert_allclose(scores, exact[places], atol=1e-6)
            wanted = np.sort(exact)[::-1][: min(k, N)]
            np.testing.assert_allclose(np.sort(scores)[::-1][: len(wanted)], wanted, atol=1e-6)
    (places, _), *_ = own.best(questions, 7)
    assert {5, *range(1000, 1030)} <= set(places.tolist())


def test_few_items_are_multiplied_as_they_are() -> None:
    assert not Coarse.helps(100)
