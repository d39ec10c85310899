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
from pipeline_core.app.factored import Factored, Vectors, factored, length
from pipeline_core.app.recent import Recent
from pipeline_core.app.together import Together
from pipeline_core.codes.encode import encode_vectors
from pipeline_core.retrieval.maps import Map

if TYPE_CHECKING:
    from scipy import sparse

    from pipeline_core.sae.architectures import Sae

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
        every = {id(fitted): fitted for pair in maps for fitted in pair}
        known = {key: factored(fitted) for key, fitted in every.items()}
        found = []
        for n, (of_question, of_answer) in enumerate(maps):
            left = self._side(raw[0], codes[0], known[id(of_question)])
            right = self._side(raw[n + 1], codes[n + 1], known[id(of_answer)])
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

    def _side(self, vector: Matrix, codes: "sparse.csr_matrix", own: Factored) -> _Side:
        before = own.before(vector)
        features = codes.indices.astype(np.int64)
        parts = codes.data[:, None] * self._dictionary[features]
        exact = vector.astype(np.float64)
        error = exact - parts.sum(axis=0) - self._bias
        whole = own.turn(exact / before - own.mean)
        size = length(whole)
        means = self._bias / before - own.mean
        return _Side(
            whole / size, features, parts / before, means, error / before, lambda other: own.back(other) / size
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
