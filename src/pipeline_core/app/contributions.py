"""What a score is made of: the signed part of each feature, that of the means, and what no feature explains.

A vector is h = sum_f z_f d_f + b + e: features, the decoder's bias, the autoencoder's error. A map that is linear but
for its mean and length takes it to (h - mu) A / n, n = |(h - mu) A|: a cosine splits into the parts of one side, each
against the other side as a whole. Both sides are split, and half of each counts: the parts are signed, treat both sides
alike, and add up to the score. On average over matched pairs, raw and without the lengths, a feature's part is half its
attribution.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline_core.activations.vectors import Matrix
from pipeline_core.codes.encode import encode_vectors
from pipeline_core.retrieval.maps import TINY, Centring, Identity, Map, Whitening

if TYPE_CHECKING:
    from scipy import sparse

    from pipeline_core.sae.architectures import Sae

Vectors = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Explained:
    """The parts of one score.

    Attributes:
        features: (feature, part), the largest in absolute value first.
        means: the part of the decoder's bias and of the means that the map subtracts.
        unexplained: the part of what the autoencoder leaves out.
    """

    features: tuple[tuple[int, float], ...]
    means: float
    unexplained: float

    @property
    def score(self) -> float:
        """What the parts add up to."""
        return sum(part for _, part in self.features) + self.means + self.unexplained

    def shown(self, n: int) -> tuple[tuple[tuple[int, float], ...], float]:
        """Return the n largest parts of features, and what all other features make together."""
        return self.features[:n], sum(part for _, part in self.features[n:])


@dataclass(frozen=True)
class _Side:
    """One vector, mapped, and its parts: rows of ``parts`` [f, m] are those of ``features``; all are divided by n."""

    whole: Vectors
    features: npt.NDArray[np.int64]
    parts: Vectors
    means: Vectors
    error: Vectors


class Explainer:
    """Explains scores by the features of one autoencoder."""

    def __init__(self, sae: "Sae", sae_id: str) -> None:
        """Take the autoencoder and its name."""
        self._sae, self._sae_id = sae, sae_id
        self._dictionary = sae.dictionary.detach().numpy().astype(np.float64)
        self._bias = self._added()

    def explain(self, question: Matrix, answers: Matrix, maps: Sequence[tuple[Map, Map]]) -> list[Explained]:
        """Split the cosine of a question with each answer.

        Args:
            question: raw vector [d].
            answers: raw vectors [n, d].
            maps: the question's and the answer's map of each answer: identity, centring or whitening.

        Raises:
            ModelError: the autoencoder is of another width.
        """
        raw = np.concatenate([question[None], answers])
        codes = encode_vectors(self._sae, raw, self._sae_id)
        found = []
        for n, (of_question, of_answer) in enumerate(maps):
            left = self._side(raw[0], codes[0], of_question)
            right = self._side(raw[n + 1], codes[n + 1], of_answer)
            found.append(_met(left, right))
        return found

    def _added(self) -> Vectors:
        """Return b [d]: what the decoder adds to the features, whichever they are."""
        import torch  # noqa: PLC0415

        with torch.inference_mode():
            codes = self._sae.encode(torch.zeros(1, self._dictionary.shape[1]))
            decoded = self._sae.decode(codes).double().numpy()[0]
        return np.asarray(decoded - codes.values.double().numpy() @ self._dictionary[codes.ids.numpy()])

    def _side(self, vector: Matrix, codes: "sparse.csr_matrix", fitted: Map) -> _Side:
        mean, turn = _linear(fitted, len(vector))
        features = codes.indices.astype(np.int64)
        parts = codes.data[:, None] * self._dictionary[features]
        error = vector.astype(np.float64) - parts.sum(axis=0) - self._bias
        whole = turn(vector - mean)
        length = max(float(np.linalg.norm(whole)), float(TINY))
        mapped = (turn(one) / length for one in (parts, self._bias - mean, error))
        return _Side(whole / length, features, *mapped)


def _met(left: _Side, right: _Side) -> Explained:
    features = np.concatenate([left.features, right.features])
    halves = 0.5 * np.concatenate([left.parts @ right.whole, right.parts @ left.whole])
    found, place = np.unique(features, return_inverse=True)
    sums = np.bincount(place, halves, len(found))
    order = np.argsort(-np.abs(sums), kind="stable")
    return Explained(
        tuple(zip(found[order].tolist(), sums[order].tolist(), strict=True)),
        0.5 * float(left.means @ right.whole + right.means @ left.whole),
        0.5 * float(left.error @ right.whole + right.error @ left.whole),
    )


def _linear(fitted: Map, width: int) -> tuple[Vectors, Callable[[Vectors], Vectors]]:
    """Return a map's mean [d], and what it does to vectors [..., d] without it and without dividing by the length."""
    match fitted:
        case Identity():
            return np.zeros(width), lambda vectors: vectors
        case Centring(mean):
            return mean, lambda vectors: vectors
        case Whitening(mean, basis, scales, back, unit_input) if not unit_input:
            left = basis.astype(np.float64) * scales
            right = None if back is None else back.astype(np.float64).T
            return mean, lambda vectors: vectors @ left if right is None else vectors @ left @ right
        case _:
            raise TypeError(f"{type(fitted).__name__} is not explained")
