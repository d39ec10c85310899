"""Whitening of one side's embeddings: ReAlign, ZCA and PCA, all from one spectrum (the paper's equations).

e = (h - mu) U (L_b + eps I)^(-1/2) U^T with L_b = (1 - b) L + b tr(L)/d I. ZCA is b = 0; PCA leaves out the final U^T,
so that under separate statistics it compares two different bases; under joint statistics both give the same cosines.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline_core.activations.vectors import Matrix
from pipeline_core.retrieval.adaptations import TINY, Centring, Whitening, by_blocks, unit
from pipeline_core.retrieval.spectrum import Spectrum


def mean_removal(spectrum: Spectrum) -> Centring:
    """Fit mean removal: what is left of ReAlign at b = 1."""
    return Centring(spectrum.mean)


def realign(spectrum: Spectrum, beta: float, eps: float, unit_input: bool = False) -> Whitening:
    """Fit ReAlign.

    Args:
        spectrum: of the raw vectors, or of the normalised ones when ``unit_input``.
        beta: shrinkage towards the scaled identity, 0 to 1; 0 is ZCA.
        eps: added to the shrunk eigenvalues, in squared units of the vectors (absolute, as in the paper).
        unit_input: the released code's variant, which normalises h before fitting.
    """
    return Whitening(spectrum.mean, spectrum.basis, spectrum.scales(beta, eps), spectrum.basis, unit_input)


def zca(spectrum: Spectrum, eps: float) -> Whitening:
    """Fit ZCA whitening: ReAlign without shrinkage."""
    return realign(spectrum, 0.0, eps)


def pca(spectrum: Spectrum, eps: float, rank: int | None = None) -> Whitening:
    """Fit PCA whitening, truncated to the ``rank`` largest components if given."""
    basis = np.ascontiguousarray(spectrum.basis[:, :rank])
    return Whitening(spectrum.mean, basis, spectrum.scales(0.0, eps)[:rank], None)


def sweep_beta(
    queries: Matrix,
    candidates: Matrix,
    query_side: Spectrum,
    candidate_side: Spectrum,
    betas: Sequence[float],
    eps: float,
) -> Iterator[tuple[Matrix, Matrix]]:
    """Yield, for each beta, queries [q, d] and candidates [n, d] whose inner products are ReAlign's cosines.

    Candidates are projected on their eigenbasis once. A common rotation changes no cosine, so what depends on beta (the
    rotation between the two bases, and the scales of both) falls on the queries, which are few; candidates are only
    divided by their norms.
    """
    query_coordinates = _coordinates(queries, query_side)
    candidate_coordinates = _coordinates(candidates, candidate_side)
    rotation = (query_side.eigenvectors.T @ candidate_side.eigenvectors).astype(np.float32)
    scales = np.stack([candidate_side.scales(beta, eps) for beta in betas]).astype(np.float32)
    squared = np.square(scales).T
    norms = by_blocks(candidate_coordinates, len(betas), lambda rows: np.sqrt(np.square(rows) @ squared))
    for n, beta in enumerate(betas):
        aligned = query_coordinates * query_side.scales(beta, eps).astype(np.float32) @ rotation
        normalised = np.asarray(candidate_coordinates / np.maximum(norms[:, n : n + 1], TINY), dtype=np.float32)
        yield unit(aligned) * scales[n], normalised


def _coordinates(vectors: Matrix, spectrum: Spectrum) -> Matrix:
    width = spectrum.basis.shape[1]
    return by_blocks(vectors, width, lambda rows: (rows - spectrum.mean).astype(np.float32) @ spectrum.basis)
