"""What a score is made of: the signed part of each feature, that of the means, and what no feature explains.

A vector is h = sum_f z_f d_f + b + e: features, the decoder's bias, the autoencoder's error. A map that is linear but
for its mean and lengths takes it to (h / l - mu) A / n, n = |(h / l - mu) A| and l either 1 or |h|: a cosine splits
into the parts of one side, each against the other side as a whole. Both sides are split, and half of each counts: the
parts are signed, treat both sides alike, and add up to the score. On average over matched pairs, raw and without the
lengths, a feature's part is half its attribution.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline_core.activations.vectors import Matrix
from pipeline_core.app.recent import Recent
from pipeline_core.app.together import Together
from pipeline_core.codes.encode import encode_vectors
from pipeline_core.retrieval.maps import TINY, Centring, Identity, Map, Projection, Whitening

if TYPE_CHECKING:
    from scipy import sparse

    from pipeline_core.sae.architectures import Sae

Vectors = npt.NDArray[np.float64]

_KEPT = 4096


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
class _Linear:
    """A map beside its lengths: (h / l - mean) A, with l = |h| where it is ``unit_input``.

    ``turn`` multiplies vectors [d] by A, ``back`` by its transpose.
    """

    mean: Vectors | float
    turn: Callable[[Vectors], Vectors]
    back: Callable[[Vectors], Vectors]
    unit_input: bool = False


@dataclass(frozen=True)
class _Side:
    """One vector: mapped, and its parts as they were, whose product with what comes ``back`` is theirs mapped."""

    whole: Vectors
    features: npt.NDArray[np.int64]
    parts: Vectors
    means: Vectors
    error: Vectors
    back: Callable[[Vectors], Vectors]


class Explainer:
    """Explains scores by the features of one autoencoder."""

    def __init__(self, sae: "Sae", sae_id: str) -> None:
        """Take the autoencoder and its name."""
        self._sae, self._sae_id = sae, sae_id
        self._dictionary = sae.dictionary.detach().numpy().astype(np.float64)
        self._bias = self._added()
        self._known = Recent[bytes, "sparse.csr_matrix"](_KEPT)
        self._passes = Together[Matrix, list["sparse.csr_matrix"]]()

    def explain(self, question: Matrix, answers: Matrix, maps: Sequence[tuple[Map, Map]]) -> list[Explained]:
        """Split the cosine of a question with each answer.

        Args:
            question: raw vector [d].
            answers: raw vectors [n, d].
            maps: the question's and the answer's map of each answer.

        Raises:
            TypeError: a map is of a kind that is not linear.
            ModelError: the autoencoder is of another width.
        """
        raw = np.concatenate([question[None], answers])
        codes = self.encode(raw)
        linear = {id(fitted): _linear(fitted) for pair in maps for fitted in pair}
        found = []
        for n, (of_question, of_answer) in enumerate(maps):
            left = self._side(raw[0], codes[0], linear[id(of_question)])
            right = self._side(raw[n + 1], codes[n + 1], linear[id(of_answer)])
            found.append(_met(left, right))
        return found

    def encode(self, vectors: Matrix) -> list["sparse.csr_matrix"]:
        """Return the codes of raw vectors [n, d]: reading all weights takes the time, so that many cost what one does.

        Raises:
            ModelError: the autoencoder is of another width.
        """
        keys = [vector.tobytes() for vector in vectors]
        found = {key: codes for key in keys if (codes := self._known.get(key)) is not None}
        missing = {key: row for row, key in enumerate(keys) if key not in found}
        if missing:
            made = self._passes.ask(vectors[list(missing.values())], self._encoded)
            for key, codes in zip(missing, made, strict=True):
                found[key] = codes
                self._known.put(key, codes)
        return [found[key] for key in keys]

    def _encoded(self, asked: Sequence[Matrix]) -> list[list["sparse.csr_matrix"]]:
        """Return the codes of each block of vectors."""
        made = iter(encode_vectors(self._sae, np.concatenate(asked), self._sae_id))
        return [list(islice(made, len(block))) for block in asked]

    def _added(self) -> Vectors:
        """Return b [d]: what the decoder adds to the features, whichever they are."""
        import torch  # noqa: PLC0415

        with torch.inference_mode():
            codes = self._sae.encode(torch.zeros(1, self._dictionary.shape[1]))
            decoded = self._sae.decode(codes).double().numpy()[0]
        return np.asarray(decoded - codes.values.double().numpy() @ self._dictionary[codes.ids.numpy()])

    def _side(self, vector: Matrix, codes: "sparse.csr_matrix", linear: _Linear) -> _Side:
        before = max(float(np.linalg.norm(vector)), float(TINY)) if linear.unit_input else 1.0
        features = codes.indices.astype(np.int64)
        parts = codes.data[:, None] * self._dictionary[features]
        exact = vector.astype(np.float64)
        error = exact - parts.sum(axis=0) - self._bias
        whole = linear.turn(exact / before - linear.mean)
        length = max(float(np.linalg.norm(whole)), float(TINY))
        means = self._bias / before - linear.mean
        return _Side(
            whole / length, features, parts / before, means, error / before, lambda other: linear.back(other) / length
        )


def _met(left: _Side, right: _Side) -> Explained:
    features = np.concatenate([left.features, right.features])
    to_left, to_right = left.back(right.whole), right.back(left.whole)
    halves = 0.5 * np.concatenate([left.parts @ to_left, right.parts @ to_right])
    found, place = np.unique(features, return_inverse=True)
    sums = np.bincount(place, halves, len(found))
    order = np.argsort(-np.abs(sums), kind="stable")
    return Explained(
        tuple(zip(found[order].tolist(), sums[order].tolist(), strict=True)),
        0.5 * float(left.means @ to_left + right.means @ to_right),
        0.5 * float(left.error @ to_left + right.error @ to_right),
    )


def _linear(fitted: Map) -> _Linear:
    match fitted:
        case Identity():
            return _Linear(0.0, _same, _same)
        case Centring(mean):
            return _Linear(mean, _same, _same)
        case Projection(basis):
            taken = basis.astype(np.float64)

            def left_of(vectors: Vectors) -> Vectors:
                return np.asarray(vectors - (vectors @ taken) @ taken.T)

            return _Linear(0.0, left_of, left_of)
        case Whitening(mean, basis, scales, back, unit_input):
            first = basis.astype(np.float64) * scales
            second = None if back is None else back.astype(np.float64).T

            def turn(vectors: Vectors) -> Vectors:
                return np.asarray(vectors @ first if second is None else vectors @ first @ second)

            def turned(vectors: Vectors) -> Vectors:
                return np.asarray(vectors @ first.T if second is None else vectors @ second.T @ first.T)

            return _Linear(mean, turn, turned, unit_input)
        case _:
            raise TypeError(f"{type(fitted).__name__} is not explained")


def _same(vectors: Vectors) -> Vectors:
    return vectors
