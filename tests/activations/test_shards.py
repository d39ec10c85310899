"""How states and embeddings are kept in half precision."""

import numpy as np
import pytest

from pipeline_core.activations.shards import half_scale, halved
from pipeline_core.errors import ModelError


@pytest.mark.parametrize(("largest", "scale"), [(0.0, 1.0), (3e4, 1.0), (3.1e4, 2.0), (6e4, 2.0), (1e6, 64.0)])
def test_scales_are_powers_of_two_that_fit_float16(largest: float, scale: float) -> None:
    assert half_scale(largest) == scale
    assert np.isfinite(np.float16(largest / scale))


def test_embeddings_that_half_precision_cannot_hold_are_refused() -> None:
    assert halved(np.full((1, 1, 2), 6e4, dtype=np.float32), "model").dtype == np.float16
    with pytest.raises(ModelError, match="embeddings of model exceed float16's largest value, 65504"):
        halved(np.full((1, 1, 2), 7e4, dtype=np.float32), "model")
