"""A model's items without the features of the largest attribution, at any share of them, and their scores.

What is left of an item is the rest of its set's mean and the rest of what tells it from that mean: apart they keep the
digits that the mean, often 99% of a vector, would take.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from threading import Lock

import numpy as np
import numpy.typing as npt

from pipeline_core.activations.vectors import Matrix, top_count
from pipeline_core.app.recent import Recent
from pipeline_core.app.space import Asked, CandidateSet, Key, Met, Scores, Space, Way
from pipeline_core.errors import QueryError
from pipeline_core.library import Run
from pipeline_core.retrieval.maps import TINY, Projection, by_blocks
from pipeline_core.sae.artifact import load_dictionary

ABLATED = "features removed"

STEP = 0.0005
"""Of the slider for the share removed."""

_KEPT, _STOPS = 64, 24


class Ranking:
    """The directions of an autoencoder's features in the order of their attribution, each without those before it.

    Attributes:
        basis: them [d, r], orthonormal; zero where a feature's lies in the span of those before it.
        stops: numbers of features at which all lengths of items are worked out in one pass, from 0 to ``most``.
    """

    def __init__(self, run: Run, sae_id: str) -> None:
        """Take as many as may span half of the space.

        Raises:
            StoreError: the run had no such autoencoder.
        """
        self.sae_id = sae_id
        dictionary = load_dictionary(run.artifact(f"sae/{sae_id}"))
        self.n_features, self.width = (int(side) for side in dictionary.shape)
        ranked = run.features(sae_id).sort("attribution_rank")["feature_id"].to_numpy()[: self.most]
        basis, along = np.linalg.qr(dictionary[ranked].T.astype(np.float64))
        lengths = np.abs(np.diagonal(along))
        # The rule of numpy for the rank of a matrix, at the precision of the dictionary.
        self._new = lengths > lengths.max(initial=0.0) * self.width * np.finfo(np.float32).eps
        self.basis: Matrix = (basis * self._new).astype(np.float32)
        steps = (top_count(STEP * n, self.n_features) for n in range(int(1 / STEP)))
        counts = list(takewhile(lambda count: count <= self.most, steps))
        self.stops = sorted({*counts[:: -(-len(counts) // _STOPS)], self.most})

    @property
    def most(self) -> int:
        """Features that may be taken out together."""
        return min(self.width // 2, self.n_features)

    def count(self, share: float) -> int:
        """Return how many features a share of all is.

        Raises:
            QueryError: they may span more than half of the space.
        """
        n_features = top_count(share, self.n_features)
        if n_features > self.most:
            reason = f"{n_features:,} features may span all {self.width} dimensions"
            raise QueryError(reason, f"remove {self.most:,} at most")
        return n_features

    def removal(self, n_features: int) -> Projection:
        """Return what takes out the first features, as removal by attribution in the retrieval stage does."""
        return Projection(np.ascontiguousarray(self.basis[:, :n_features][:, self._new[:n_features]]))


@dataclass(frozen=True)
class Ablated:
    """The items of a space, and the features that may be taken out of them and of questions."""

    space: Space
    ranking: Ranking
    _squares: dict[str, Matrix] = field(default_factory=dict)
    _lengths: Recent[tuple[str, int], Scores] = field(default_factory=lambda: Recent(_KEPT))
    _guard: Lock = field(default_factory=Lock)

    def way(self, n_features: int) -> tuple[Key, Way]:
        """Return how questions meet items, both without the first features, with what tells it from others."""
        return (ABLATED, self.ranking.sae_id, n_features), partial(self._meet, n_features)

    def scores(self, asked: Asked, answering: str, n_features: int) -> Scores:
        """Return the cosines [n] of a question with every item of a group, both without the first features."""
        return np.asarray(self.space.sets[answering].cosines([self._meet(n_features, asked, answering)])[0])

    def _meet(self, n_features: int, asked: Asked, answering: str) -> Met:
        found, removal = self.space.sets[answering].spectrum, self.ranking.removal(n_features)
        question = removal.apply(asked.vector[None])[0].astype(np.float64)
        mean = _without(found.mean, removal.basis)
        return Met(found.eigenvectors.T @ question, float(mean @ question), self.lengths(answering, n_features))

    def lengths(self, answering: str, n_features: int) -> Scores:
        """Return the lengths [n] of what the first features leave of items.

        From the next larger number of ``stops``: what lies between is added, and nothing large is taken from what is.
        """
        known = self._lengths.get((answering, n_features))
        if known is None:
            own, stops = self.space.sets[answering], self.ranking.stops
            with self._guard:  # all stops are worked out in one pass
                if answering not in self._squares:
                    self._squares[answering] = _squares_left(own, self.ranking)
            place = int(np.searchsorted(stops, n_features))
            left = self._squares[answering][place]
            between = self.ranking.basis[:, n_features : stops[place]]
            if between.shape[1]:
                left = left + _squares_along(own, between, [0])[:, 0]
            known = np.asarray(np.sqrt(np.maximum(left, TINY)))
            self._lengths.put((answering, n_features), known)
        return known


def _without(vector: npt.NDArray[np.float64], basis: Matrix) -> npt.NDArray[np.float64]:
    taken = basis.astype(np.float64)
    return np.asarray(vector - taken @ (taken.T @ vector))


def _squares_left(own: CandidateSet, ranking: Ranking) -> Matrix:
    """Return the squared lengths [s, n] of what as many features as each of ``ranking.stops`` leave of items."""
    stops, found = ranking.stops, own.spectrum
    taken, mean = ranking.basis, _without(found.mean, ranking.basis)
    turned = (found.eigenvectors.T @ taken).astype(np.float32)
    onto = (2.0 * (found.eigenvectors.T @ mean)).astype(np.float32)[:, None]

    def squared(rows: Matrix) -> Matrix:
        own_squares, removed = (np.square(part).sum(axis=1, keepdims=True) for part in (rows, rows @ turned))
        return np.asarray(own_squares - removed + rows @ onto)

    left = by_blocks(own.coordinates, 1, squared) + np.float32(mean @ mean)
    steps = _squares_along(own, taken, stops[:-1])
    after = np.cumsum(steps[:, ::-1], axis=1)[:, ::-1]
    return np.ascontiguousarray(np.concatenate([left + after, left], axis=1).T)


def _squares_along(own: CandidateSet, basis: Matrix, starts: Sequence[int]) -> Matrix:
    """Return the sums [n, s] of the squares of items along directions [d, r], from each start to the next."""
    turned = (own.spectrum.eigenvectors.T @ basis).astype(np.float32)
    means = (own.spectrum.mean @ basis).astype(np.float32)

    def squares(rows: Matrix) -> Matrix:
        return np.asarray(np.add.reduceat(np.square(rows @ turned + means), starts, axis=1))

    return by_blocks(own.coordinates, len(starts), squares)
