"""What is tried of a model that no family vouches for, as it is loaded: a text is the same alone and beside another."""

import numpy as np

from pipeline_core.errors import ModelError
from pipeline_core.models.embedder import Embedder
from pipeline_core.models.samples import SampleInput

_SHORT = SampleInput("short", "check", None, "a red heart", "Summarize:")
_LONG = SampleInput("long", "check", None, "two small dogs on a green meadow beside a river " * 3, "Summarize:")
_TOLERANCE = {"float32": 1e-3}
_COARSE = 5e-2  # of half precision


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
    largest = np.abs(alone).max(axis=(1, 2), keepdims=True)
    difference = float((np.abs(alone - together) / np.maximum(largest, 1e-6)).max())
    if difference > _TOLERANCE.get(embedder.facts.dtype, _COARSE):
        raise ModelError(
            f"{name} gives a text other vectors beside a longer one (by {difference:.2g} of the largest value)",
            "use another model",
        )
