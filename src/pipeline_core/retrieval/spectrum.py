"""The spectrum of a set of vectors: mean, covariance by one pass of sums and outer products, one eigendecomposition.

Every whitening of those vectors, at any shrinkage, comes from one spectrum.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import DataError
from pipeline_core.vectors import Matrix

Vector64 = npt.NDArray[np.float64]
Matrix64 = npt.NDArray[np.float64]

BLOCK = 8192
"""Vectors brought to float64 at a time."""


@dataclass(frozen=True)
class Spectrum:
    """Mean [d], eigenvalues [d] (descending, >= 0) and eigenvectors [d, d] (columns) of a covariance, float64."""

    mean: Vector64
    eigenvalues: Vector64
    eigenvectors: Matrix64

    def scales(self, beta: float, eps: float) -> Vector64:
        """Return (L_b + eps)^(-1/2) [d] for the shrunk L_b = (1 - beta) L + beta tr(L)/d; ReAlign's equation."""
        shrunk = (1.0 - beta) * self.eigenvalues + beta * self.eigenvalues.mean()
        return np.asarray((shrunk + eps) ** -0.5)


def moments(vectors: Matrix) -> tuple[Vector64, Matrix64]:
    """Return the mean [d] and the unbiased covariance [d, d] of vectors [n, d].

    Sums are taken relative to the first vector, because embeddings may carry nearly all of their norm in the mean.

    Raises:
        DataError: fewer than two vectors.
    """
    n, d = vectors.shape
    if n < 2:
        raise DataError(f"{n} vectors are too few for a covariance", "give at least two")
    origin = vectors[0].astype(np.float64)
    total, outer = np.zeros(d), np.zeros((d, d))
    for start in range(0, n, BLOCK):
        shifted = vectors[start : start + BLOCK] - origin
        total += shifted.sum(axis=0)
        outer += shifted.T @ shifted
    shift = total / n
    return origin + shift, (outer - n * np.outer(shift, shift)) / (n - 1)


def spectrum(vectors: Matrix) -> Spectrum:
    """Fit the spectrum of vectors [n, d].

    Raises:
        DataError: fewer than two vectors.
    """
    mean, covariance = moments(vectors)
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    return Spectrum(mean, np.clip(eigenvalues[::-1], 0.0, None), np.ascontiguousarray(eigenvectors[:, ::-1]))
