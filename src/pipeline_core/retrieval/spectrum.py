"""The spectrum of a set of vectors: mean, covariance by one pass of sums and outer products, one eigendecomposition.

Every whitening of those vectors, at any shrinkage, given or estimated, comes from one spectrum.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipeline_core.activations.vectors import Matrix, Vectors
from pipeline_core.errors import DataError
from pipeline_core.retrieval.parts import by_parts, rows_at_once

Vector64 = npt.NDArray[np.float64]
Matrix64 = npt.NDArray[np.float64]

BLOCK = 8192
"""Vectors brought to float64 at a time, at most."""

RELATIVE_EPS = 1e-5
"""Added to shrunk eigenvalues, in units of tr(S)/d: an absolute eps may outweigh the shrinkage, or vanish beside it."""


@dataclass(frozen=True)
class Moments:
    """What one pass over vectors x [n, d] finds, float64.

    ``mean`` [d]; ``covariance`` [d, d], unbiased (over n - 1); ``fourth``, the mean of ||x - mean||^4, which tells how
    unsure that covariance is; ``count`` n.
    """

    mean: Vector64
    covariance: Matrix64
    fourth: float
    count: int


@dataclass(frozen=True)
class Spectrum:
    """Mean [d], eigenvalues [d] (descending, >= 0) and eigenvectors [d, d] (columns) of a covariance, float64.

    ``fourth`` and ``count`` are those of ``Moments``.
    """

    mean: Vector64
    eigenvalues: Vector64
    eigenvectors: Matrix64
    fourth: float
    count: int

    @cached_property
    def basis(self) -> Matrix:
        """The eigenvectors [d, d] in float32, as adaptations keep them."""
        return np.ascontiguousarray(self.eigenvectors, dtype=np.float32)

    @property
    def variance(self) -> float:
        """The variance of one dimension, on average: tr(S)/d."""
        return float(self.eigenvalues.mean())

    def shrunk(self, beta: float) -> Vector64:
        """Return the eigenvalues [d] of S_b = (1 - beta) S + beta tr(S)/d I; ReAlign's shrinkage."""
        return np.asarray((1.0 - beta) * self.eigenvalues + beta * self.variance)

    def scales(self, beta: float, eps: float) -> Vector64:
        """Return (L_b + eps)^(-1/2) [d] for the eigenvalues L_b of S_b; ReAlign's equation."""
        return np.asarray((self.shrunk(beta) + eps) ** -0.5)

    def relative_eps(self, share: float = RELATIVE_EPS) -> float:
        """Return ``share`` of tr(S)/d, in squared units of the vectors.

        Raises:
            DataError: all vectors are equal.
        """
        if self.variance == 0.0:
            raise DataError(f"all {self.count} vectors are equal: there is nothing to whiten", "use more varied data")
        return share * self.variance

    def biased(self) -> tuple[float, float]:
        """Return tr(S) and ||S||^2 (Frobenius) of the covariance over n."""
        eigenvalues = self.eigenvalues * ((self.count - 1) / self.count)
        return float(eigenvalues.sum()), float(eigenvalues @ eigenvalues)


def moments(vectors: Vectors) -> Moments:
    """Return the moments of vectors [n, d], in one pass.

    Sums are taken relative to the mean of the first block, because embeddings may carry nearly all of their norm in the
    mean; rounded to float32, so that every difference is exact and equal vectors have a covariance of zero.

    Raises:
        DataError: fewer than two vectors.
    """
    n = len(vectors)
    if n < 2:
        raise DataError(f"{n} vectors are too few for a covariance", "give at least two")
    d = vectors[:1].shape[1]
    block = rows_at_once(d, BLOCK)
    origin = vectors[:block].mean(axis=0, dtype=np.float64).astype(np.float32).astype(np.float64)
    total, outer = np.zeros(d), np.zeros((d, d))
    squares, fourths, cubes = 0.0, 0.0, np.zeros(d)
    space, squared = np.empty((min(n, block), d)), np.empty(min(n, block))
    for start in range(0, n, block):
        size = min(block, n - start)
        shifted, norms = space[:size], squared[:size]
        _shift(vectors[start : start + size], origin, shifted, norms)
        total += shifted.sum(axis=0)
        outer += shifted.T @ shifted
        squares += float(norms.sum())
        fourths += float(norms @ norms)
        cubes += norms @ shifted
    shift = total / n
    covariance = (outer - n * np.outer(shift, shift)) / (n - 1)
    # ||y - s||^4 = (||y||^2 - 2 y.s + ||s||^2)^2, multiplied out and summed over y, with sum y = n s.
    square = shift @ shift
    fourth = fourths - 4.0 * cubes @ shift + 4.0 * shift @ outer @ shift + 2.0 * square * squares - 3.0 * n * square**2
    return Moments(origin + shift, covariance, float(fourth / n), n)


def _shift(block: Matrix, origin: Vector64, shifted: Matrix64, norms: Vector64) -> None:
    """Write a block of vectors less ``origin``, and the squared norms of these."""

    def some(rows: slice) -> None:
        own = np.subtract(block[rows], origin, out=shifted[rows])
        np.einsum("nd,nd->n", own, own, out=norms[rows])

    by_parts(block.shape, some)


def spectrum(vectors: Vectors) -> Spectrum:
    """Fit the spectrum of vectors [n, d].

    Raises:
        DataError: fewer than two vectors.
    """
    return decomposed(moments(vectors))


def pooled(*sets: Spectrum) -> Spectrum:
    """Return the spectrum within sets: of all their vectors, each less the mean of its own set.

    The covariance is over as many degrees of freedom as the sets have together, n - 1 each.
    """
    count = sum(one.count for one in sets)
    covariance = sum((one.count - 1) * (one.eigenvectors * one.eigenvalues) @ one.eigenvectors.T for one in sets)
    fourth = sum(one.count * one.fourth for one in sets) / count
    mean = np.zeros_like(sets[0].mean)
    return decomposed(Moments(mean, np.asarray(covariance) / (count - len(sets)), fourth, count))


def decomposed(found: Moments) -> Spectrum:
    """Return the spectrum of vectors with these moments."""
    eigenvalues, eigenvectors = np.linalg.eigh(found.covariance)
    descending = np.clip(eigenvalues[::-1], 0.0, None)
    return Spectrum(found.mean, descending, np.ascontiguousarray(eigenvectors[:, ::-1]), found.fourth, found.count)
