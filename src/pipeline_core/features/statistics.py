"""Energy and modality of features: how much of the codes a feature holds, and on which side."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

HELD = 0.99
"""The share of the energy of which the paper asks how few features hold it."""

ALWAYS_ON = 0.9
"""A feature that is on in more than this share of the samples tells them apart by how much it is on, if at all."""

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


@dataclass(frozen=True)
class Concentration:
    """How few features hold the energy, and how many are on for nearly every sample.

    Attributes:
        n_features: c, dead ones among them.
        n_live: features with energy.
        n_holding: the fewest that hold ``HELD`` of the energy; 0 if there is none.
        n_always_on: features on in more than ``ALWAYS_ON`` of the samples.
        n_holding_always_on: those among the ones that hold the energy.
        always_on_energy: share of all energy in features that are always on; 0 if there is none.
    """

    n_features: int
    n_live: int
    n_holding: int
    n_always_on: int
    n_holding_always_on: int
    always_on_energy: float


def concentration(own: Energies) -> Concentration:
    """Count the features that hold the energy, and those that are always on."""
    total, always = own.energy.sum(), own.frequency > ALWAYS_ON
    n_holding = int((energy_curve(own.energy) < HELD).sum()) + 1 if total > 0 else 0
    return Concentration(
        len(own.energy),
        int((own.energy > 0).sum()),
        n_holding,
        int(always.sum()),
        int(always[descending(own.energy)[:n_holding]].sum()),
        float(own.energy[always].sum() / total) if total > 0 else 0.0,
    )
