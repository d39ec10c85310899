"""A map beside its lengths, linear after a mean, in its factors: one vector costs no product of matrices."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.retrieval.maps import TINY, Centring, Identity, Map, Projection, Whitening

Vectors = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Factored:
    """A map beside its lengths: (h / l - mean) A, with l = |h| where it is ``unit_input``, and 1 otherwise.

    ``turn`` multiplies vectors [d] by A, ``back`` by its transpose.
    """

    mean: Vectors | float
    turn: Callable[[Vectors], Vectors]
    back: Callable[[Vectors], Vectors]
    unit_input: bool = False

    def before(self, vector: npt.NDArray[np.floating]) -> float:
        """Return l of a raw vector [d]."""
        return length(vector) if self.unit_input else 1.0

    def apply(self, vector: npt.NDArray[np.floating]) -> Vectors:
        """Map one raw vector [d] in float64, to unit norm as the map does."""
        whole = self.turn(vector.astype(np.float64) / self.before(vector) - self.mean)
        return whole / length(whole)


def length(vector: npt.NDArray[np.floating]) -> float:
    """Return the length of a vector, which may divide it."""
    return max(float(np.linalg.norm(vector)), float(TINY))


def factored(fitted: Map) -> Factored:
    """Return a map in float64 and in factors.

    Raises:
        TypeError: it is of a kind that is not linear.
    """
    match fitted:
        case Identity():
            return Factored(0.0, _same, _same)
        case Centring(mean):
            return Factored(mean, _same, _same)
        case Projection(basis):
            taken = basis.astype(np.float64)

            def left_of(vectors: Vectors) -> Vectors:
                return np.asarray(vectors - (vectors @ taken) @ taken.T)

            return Factored(0.0, left_of, left_of)
        case Whitening(mean, basis, scales, back, unit_input):
            first = basis.astype(np.float64)
            second = first if back is basis else None if back is None else back.astype(np.float64)

            def turn(vectors: Vectors) -> Vectors:
                scaled = vectors @ first * scales
                return np.asarray(scaled if second is None else scaled @ second.T)

            def turned(vectors: Vectors) -> Vectors:
                scaled = (vectors if second is None else vectors @ second) * scales
                return np.asarray(scaled @ first.T)

            return Factored(mean, turn, turned, unit_input)
        case _:
            raise TypeError(f"{type(fitted).__name__} is not explained")


def _same(vectors: Vectors) -> Vectors:
    return vectors
