"""A map in its factors does to one vector what it does to many, and its transpose is one."""

import numpy as np
import pytest

from pipeline_core.app.factored import factored
from pipeline_core.retrieval.adaptations.realign import realign
from pipeline_core.retrieval.maps import Centring, Identity, Map, Projection, Whitening
from pipeline_core.retrieval.spectrum import Spectrum, spectrum

WIDTH = 24


def _spectrum() -> Spectrum:
    random = np.random.default_rng(1)
    return spectrum((random.standard_normal((200, WIDTH)) * np.geomspace(3, 0.01, WIDTH) + 2).astype(np.float32))


def _maps() -> dict[str, Map]:
    found = _spectrum()
    some = found.basis[:, :5]
    return {
        "as it is": Identity(),
        "without the mean": Centring(found.mean),
        "without some directions": Projection(some),
        "ReAlign": realign(found, 0.1, 1e-5),
        "ReAlign as released": realign(found, 0.1, 1e-5, unit_input=True),
        "not turned back": Whitening(found.mean, some, found.scales(0.1, 1e-5)[:5], None),
        "turned elsewhere": Whitening(found.mean, some, found.scales(0.1, 1e-5)[:5], found.basis[:, 7:12]),
    }


@pytest.mark.parametrize("name", list(_maps()))
def test_one_vector_is_mapped_as_many_are(name: str) -> None:
    fitted, random = _maps()[name], np.random.default_rng(2)
    vectors = (random.standard_normal((6, WIDTH)) + 2).astype(np.float32)
    own = factored(fitted)
    found = np.stack([own.apply(vector) for vector in vectors])
    np.testing.assert_allclose(found, fitted.apply(vectors), atol=2e-5)
    turned, vector = own.turn(vectors[0].astype(np.float64)), random.standard_normal(found.shape[1])
    assert turned @ vector == pytest.approx(vectors[0] @ own.back(vector))


def test_a_vector_that_maps_to_nothing_stays_nothing() -> None:
    assert not factored(Identity()).apply(np.zeros(WIDTH, np.float32)).any()
