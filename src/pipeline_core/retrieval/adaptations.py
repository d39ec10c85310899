"""What is done to an embedding before it is compared: a frozen map of one side, applied, saved and loaded.

Fitting is in whitening.py and removal.py; here are the maps themselves. Each ends with L2 normalisation.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pipeline_core.errors import StoreError
from pipeline_core.retrieval.spectrum import Vector64
from pipeline_core.vectors import Matrix

TINY = np.finfo(np.float32).tiny


class Adaptation(Protocol):
    """A fitted map of embeddings."""

    def apply(self, vectors: Matrix) -> Matrix:
        """Map vectors [n, d] to vectors [n, r] of unit norm, float32; what maps to zero stays zero."""


def unit(vectors: Matrix) -> Matrix:
    """Return vectors [n, d] at unit norm, float32; zero vectors stay zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
    return np.asarray(vectors / np.maximum(norms, TINY), dtype=np.float32)


@dataclass(frozen=True)
class Identity:
    """The embedding as it is: h."""

    def apply(self, vectors: Matrix) -> Matrix:
        """Only normalise."""
        return unit(vectors)


@dataclass(frozen=True)
class Centring:
    """Mean removal: h - mu, for the mean mu [d]."""

    mean: Vector64

    def apply(self, vectors: Matrix) -> Matrix:
        """Subtract the mean, normalise."""
        return unit((vectors - self.mean).astype(np.float32))


@dataclass(frozen=True)
class Whitening:
    """Whitening: (h - mu) W, for the mean mu [d] and the matrix W [d, r]; ``unit_input`` normalises h first."""

    mean: Vector64
    matrix: Matrix
    unit_input: bool = False

    def apply(self, vectors: Matrix) -> Matrix:
        """Subtract the mean in float64 (it may hold 99% of the norm), multiply in float32, normalise."""
        centred = ((unit(vectors) if self.unit_input else vectors) - self.mean).astype(np.float32)
        return unit(centred @ self.matrix)


@dataclass(frozen=True)
class Projection:
    """Removal of a subspace: h - V V^T h, for orthonormal columns V [d, r]."""

    basis: Matrix

    def apply(self, vectors: Matrix) -> Matrix:
        """Project the subspace out, normalise."""
        left = vectors
        # Once leaves rounding errors of the removed part, which may be a hundred times what is left; twice is enough.
        for _ in range(2):
            left = left - np.asarray((left @ self.basis) @ self.basis.T, dtype=np.float32)
        return unit(left)


_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (Identity, Centring, Whitening, Projection)}


def save_adaptations(path: Path, adaptations: dict[str, Adaptation]) -> None:
    """Write adaptations by side (``queries``, ``candidates``) as safetensors: ``<side>.<field>``, kinds as metadata."""
    tensors = {
        f"{side}.{field.name}": np.ascontiguousarray(getattr(adaptation, field.name))
        for side, adaptation in adaptations.items()
        for field in fields(_KINDS[type(adaptation).__name__])
    }
    save_file(tensors, path, metadata={side: type(adaptation).__name__ for side, adaptation in adaptations.items()})


def load_adaptations(path: Path) -> dict[str, Adaptation]:
    """Read what ``save_adaptations`` wrote.

    Raises:
        StoreError: the file is missing, truncated, or holds something else.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            return {
                side: _KINDS[kind](
                    **{f.name: _plain(file.get_tensor(f"{side}.{f.name}")) for f in fields(_KINDS[kind])}
                )
                for side, kind in (file.metadata() or {}).items()
            }
    except (OSError, SafetensorError, KeyError) as error:
        raise StoreError(f"the adaptations in {path.name} cannot be read: {error}", "run lens verify") from None


def _plain(array: npt.NDArray[Any]) -> npt.NDArray[Any] | bool:
    return bool(array) if array.dtype == np.bool_ else array
