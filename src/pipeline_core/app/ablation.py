"""A model's items without the features of the largest attribution, at any share of them, and their scores.

What is left of an item is the rest of its set's mean and the rest of what tells it from that mean: apart they keep the
digits that the mean, often 99% of a vector, would take.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_core.activations.vectors import Matrix, top_count
from pipeline_core.app.recent import Recent
from pipeline_core.app.space import Asked, CandidateSet, Scores, Space, first
from pipeline_core.errors import QueryError
from pipeline_core.library import Run
from pipeline_core.retrieval.maps import TINY, Projection, by_blocks
from pipeline_core.sae.artifact import load_dictionary

ABLATED = "features removed"

_KEPT = 64


class Ranking:
    """The directions of an autoencoder's features in the order of their attribution, each without those before it."""

    def __init__(self, run: Run, sae_id: str) -> None:
        """Take as many as may span half of the space.

        Raises:
            StoreError: the run had no such autoencoder.
        """
        dictionary = load_dictionary(run.artifact(f"sae/{sae_id}"))
        self.n_features, self.width = (int(side) for side in dictionary.shape)
        ranked = run.features(sae_id).sort("attribution_rank")["feature_id"].to_numpy()[: self.most]
        self._basis, along = np.linalg.qr(dictionary[ranked].T.astype(np.float64))
        lengths = np.abs(np.diagonal(along))
        # The rule of numpy for the rank of a matrix, at the precision of the dictionary.
        self._new = lengths > lengths.max(initial=0.0) * self.width * np.finfo(np.float32).eps

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
        basis = self._basis[:, :n_features][:, self._new[:n_features]]
        return Projection(np.ascontiguousarray(basis, dtype=np.float32))


@dataclass(frozen=True)
class Ablated:
    """The items of a space, and the features that may be taken out of them and of questions."""

    space: Space
    ranking: Ranking
    _lengths: Recent[tuple[str, int], Scores] = field(default_factory=lambda: Recent(_KEPT))

    def scores(self, asked: Asked, answering: str, n_features: int) -> Scores:
        """Return the cosines [n] of a question with every item of a group, both without the first features."""
        own, removal = self.space.sets[answering], self.ranking.removal(n_features)
        taken, found = removal.basis.astype(np.float64), own.spectrum
        question = removal.apply(asked.vector[None])[0].astype(np.float64)
        mean = found.mean - taken @ (taken.T @ found.mean)
        lengths = self._lengths.get((answering, n_features))
        if lengths is None:
            lengths = _lengths_left(own, mean, found.eigenvectors.T @ taken)
            self._lengths.put((answering, n_features), lengths)
        across = (found.eigenvectors.T @ question).astype(np.float32)
        return np.asarray((own.coordinates @ across + np.float32(mean @ question)) / lengths, dtype=np.float32)

    def best(self, asked: Asked, to: str, k: int, n_features: int) -> pl.DataFrame:
        """Return the k best items, as ``Space.best`` does."""
        groups = [name for name in self.space.sets if to in ("any", name.partition(":")[0])]
        scores = {name: self.scores(asked, name, n_features) for name in groups}
        return first([self.space.largest(name, own, k) for name, own in scores.items()], k)


def _lengths_left(own: CandidateSet, mean: npt.NDArray[np.float64], taken: npt.NDArray[np.float64]) -> Matrix:
    """Return the lengths [n] of what is left of items: of ``mean`` [d], and of the rest of what tells them from it.

    Args:
        own: the items.
        mean: what is left of their mean.
        taken: what is taken out, in the eigenbasis of the set [d, r].
    """
    turned = taken.astype(np.float32)
    onto = (2.0 * (own.spectrum.eigenvectors.T @ mean)).astype(np.float32)[:, None]

    def squared(rows: Matrix) -> Matrix:
        own_squares, removed = (np.square(part).sum(axis=1, keepdims=True) for part in (rows, rows @ turned))
        return np.asarray(own_squares - removed + rows @ onto)

    squares = by_blocks(own.coordinates, 1, squared)[:, 0] + np.float32(mean @ mean)
    return np.asarray(np.sqrt(np.maximum(squares, TINY)))
