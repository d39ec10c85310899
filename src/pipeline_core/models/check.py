"""What is tried of a model that no family vouches for, as it is loaded: a text is the same alone and beside another."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ModelError
from pipeline_core.models.embedder import Embedder
from pipeline_core.models.samples import SampleInput

_SHORT = SampleInput("short", "check", None, "a red heart", "Summarize:")
_LONG = SampleInput("long", "check", None, "two small dogs on a green meadow beside a river " * 3, "Summarize:")
_TOLERANCE = {"float32": 1e-3}
COARSE = 5e-2
"""What half precision may change, as a share of the largest value."""


def check_batches(embedder: Embedder) -> None:
    """Embed a short text alone and beside a longer one, and compare all representations.

    Raises:
        ModelError: they differ by more than rounding, or the model gives a sample more than one vector.
    """
    name, representations = embedder.facts.name, embedder.representations(None)
    alone = embedder.embed([_SHORT], representations, ()).vectors
    if alone.ndim != 3:
        raise ModelError(f"{name} gives a text more than one vector", "use a model that gives one vector a sample")
    together = embedder.embed([_SHORT, _LONG], representations, ()).vectors[:, :1]
    difference = largest_difference(together, alone)
    if difference > _TOLERANCE.get(embedder.facts.dtype, COARSE):
        raise ModelError(
            f"{name} gives a text other vectors beside a longer one (by {difference:.2g} of the largest value)",
            "use another model",
        )


def largest_difference(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    """Return by how much vectors or states [parts, n, width] differ: as a share of the largest value of their part."""
    largest = np.abs(expected).max(axis=(1, 2), keepdims=True)
    return float((np.abs(found - expected) / np.maximum(largest, 1e-6)).max())
