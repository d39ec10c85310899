"""Energy and modality of features: how much of the codes a feature holds, and on which side."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Energies:
    """Statistics [c] of sparse codes.

    Attributes:
        frequency: share of all samples with a positive code.
        energy: E[z_f] over all samples, pictures and texts.
        image: E[z_f] over the pictures.
        text: E[z_f] over the texts.
        modality: text / (image + text), 1 is text and 0 picture; NaN for a dead feature.
    """

    frequency: Scores
    energy: Scores
    image: Scores
    text: Scores
    modality: Scores


def energies(image_codes: sparse.csr_matrix, text_codes: sparse.csr_matrix) -> Energies:
    """Measure codes of pictures [n_i, c] and texts [n_t, c].

    Modality compares means within each modality, modality_f = E_t[z_f] / (E_i[z_f] + E_t[z_f]), so that having more
    texts than pictures does not tilt it.
    """
    n_images, n_texts = image_codes.shape[0], text_codes.shape[0]
    image_sum, text_sum = (np.asarray(codes.sum(axis=0)).ravel() for codes in (image_codes, text_codes))
    positive = image_codes.getnnz(axis=0) + text_codes.getnnz(axis=0)
    image, text = image_sum / n_images, text_sum / n_texts
    both = image + text
    modality = np.divide(text, both, out=np.full_like(both, np.nan), where=both > 0)
    n_samples = n_images + n_texts
    return Energies(positive / n_samples, (image_sum + text_sum) / n_samples, image, text, modality)


def ranks(scores: Scores) -> npt.NDArray[np.int64]:
    """Return the rank [c] of each feature, 1 for the largest score; ties go to the smaller id."""
    order = descending(scores)
    rank = np.empty(len(scores), dtype=np.int64)
    rank[order] = np.arange(1, len(scores) + 1)
    return rank


def descending(scores: Scores) -> npt.NDArray[np.int64]:
    """Return feature ids [c] from the largest (signed) score to the smallest; ties in order of id."""
    return np.argsort(-scores, kind="stable")


def energy_curve(energy: Scores) -> Scores:
    """Return the share of all energy that the r features of most energy hold, for r = 1 to c; 0 if there is none."""
    held = np.cumsum(energy[descending(energy)])
    return held / held[-1] if held[-1] > 0 else held
