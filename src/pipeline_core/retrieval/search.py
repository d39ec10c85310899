"""Exact cosine search: blocks of candidates against all queries, float32, ties by (score descending, id ascending).

Of a block's scores only those above a query's worst kept one are looked at again, and the rank of its first relevant
candidate is a count: nothing is sorted but what is listed, and the scores of one tile are held at a time.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import sqrt

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline_core.activations.spilled import SpilledVectors
from pipeline_core.activations.vectors import Matrix, Vectors
from pipeline_core.retrieval.parts import rows_at_once
from pipeline_core.retrieval.tiles import EMPTY, Keys, Lists, Scores, Tiles, candidates_of, keys_of, scores_of, tiles_on
from pipeline_core.threads import Workers, workers

Pairs = npt.NDArray[np.int64]
"""Rows (query, candidate) [m, 2], ascending."""

Fill = Callable[[slice, Tensor], object]
"""Writes the scores of some queries and a block of candidates into a tile [m, width]."""

BLOCK = 8192
"""Candidates scored at a time, at most."""

NEVER = int(np.iinfo(np.int64).max)
"""Rank of the first relevant candidate where no list can hold one."""

_ROOM = 256
"""Places of a query for candidates that have not been held against its best yet, but at least two for each listed."""

_PAIRS = 256

_SORTED = 64
"""Queries whose lists are sorted at a time."""

_EVERY = 8
"""One score of so many is looked at to guess how good the best are."""


@dataclass(frozen=True)
class SearchResult:
    """Ranked candidates of each query.

    Attributes:
        candidates: rows of the candidates [q, depth], best first; -1 where the pool ran out.
        scores: their cosines [q, depth], float32; NaN where the pool ran out.
        first_relevant_rank: rank, from 1, of the best relevant candidate over the whole pool [q]; 0 if there is none.
    """

    candidates: npt.NDArray[np.int64]
    scores: Scores
    first_relevant_rank: npt.NDArray[np.int64]


def search(
    queries: Matrix, candidates: Vectors, relevant: Pairs, excluded: Pairs, depth: int, device: str = "cpu"
) -> SearchResult:
    """Rank all candidates for each query.

    Args:
        queries: [q, d]; the score is the inner product, the cosine of vectors at unit norm.
        candidates: [n, d], in ascending order of id: ties are broken by row. They are read by blocks, once.
        relevant: pairs judged relevant.
        excluded: pairs taken out before ranking.
        depth: length of the lists returned, cut to n.
        device: where scores are made and looked through.
    """
    (result,) = search_all([queries], lambda block: (block,), candidates, relevant, excluded, depth, device)
    return result


def search_all(
    queries: Sequence[Matrix],
    mapped: Callable[[Matrix], Iterable[Matrix]],
    candidates: Vectors,
    relevant: Pairs,
    excluded: Pairs,
    depth: int,
    device: str = "cpu",
) -> list[SearchResult]:
    """Rank all candidates by several systems in one pass over them.

    Args:
        queries: those of each system [q, r].
        mapped: maps candidates [m, d] to those of each system [m, r], in turn.
        candidates: [n, d], as stored.
        relevant: as in ``search``, and so are the rest.
        excluded: of all systems.
        depth: of each list.
        device: where scores are made.
    """
    n, tiles = len(candidates), tiles_on(device)
    asked = [_tensor(own, tiles) for own in queries]
    step = rows_at_once(max(own.shape[1] for own in queries), BLOCK)
    known: Sequence[Scores | None]
    known = _pair_scores(asked, candidates, mapped, relevant, tiles) if n > step else [None] * len(asked)
    rankings = [
        Ranking((len(own), n), relevant, excluded, depth, tiles, scores)
        for own, scores in zip(asked, known, strict=True)
    ]
    with workers() as threads:
        for start in range(0, n, step):
            block = candidates[start : start + step]
            for ranking, rows, own in zip(rankings, asked, mapped(block), strict=True):
                ranking.add(start, len(block), _products(rows, _tensor(own, tiles)), threads)
        return [ranking.result(threads) for ranking in rankings]


def ranking_bytes(queries: int, depth: int) -> int:
    """Return about how many bytes the lists of a search under way take."""
    return 8 * queries * (depth + max(_ROOM, 2 * depth))


def rank(scores: Scores | SpilledVectors, relevant: Pairs, excluded: Pairs, depth: int) -> SearchResult:
    """Rank all candidates for each query by given scores [q, n], float32; the rest is as in ``search``."""
    n, width = scores.shape
    ranking = Ranking((n, width), relevant, excluded, depth, tiles_on("cpu"))
    with workers() as threads:
        ranking.add(0, width, lambda rows, tile: tile.copy_(torch.from_numpy(scores[rows])), threads)
        return ranking.result(threads)


def _products(queries: Tensor, candidates: Tensor) -> Fill:
    """Return what fills in the inner products of some queries and a block of candidates."""
    return lambda some, tile: torch.mm(queries[some], candidates.T, out=tile)


def _pair_scores(
    queries: Sequence[Tensor],
    candidates: Vectors,
    mapped: Callable[[Matrix], Iterable[Matrix]],
    pairs: Pairs,
    tiles: Tiles,
) -> list[Scores]:
    """Return each system's inner products of pairs [m], summed as those of a block are: by products of one size."""
    scores = [np.empty(len(pairs), dtype=np.float32) for _ in queries]
    tile = torch.empty((_PAIRS, _PAIRS), device=tiles.device)
    for start in range(0, len(pairs), _PAIRS):
        some = np.resize(pairs[start : start + _PAIRS], (_PAIRS, 2))
        asked = torch.from_numpy(some[:, 0])
        for rows, own, found in zip(queries, mapped(candidates[some[:, 1]]), scores, strict=True):
            _products(rows[asked], _tensor(own, tiles))(slice(None), tile)
            found[start : start + _PAIRS] = tile.diagonal().cpu().numpy()[: len(pairs) - start]
    return scores


def _tensor(vectors: Matrix, tiles: Tiles) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(vectors)).to(tiles.device)


class Ranking:
    """A search under way: the best candidates of each query among those added, and how many lie above a relevant one.

    ``known`` are the scores of the relevant pairs, which are needed before they come; they need not be given where one
    block holds all candidates.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        relevant: Pairs,
        excluded: Pairs,
        depth: int,
        tiles: Tiles,
        known: Scores | None = None,
    ) -> None:
        """Start for as many queries and candidates as ``shape`` tells; the rest is as in ``search``."""
        self._shape, self._depth, self._known, self._tiles = shape, min(depth, shape[1]), known, tiles
        self._lists = Lists.empty(shape[0], self._depth, ranking_bytes(1, self._depth) // 8)
        self._above = np.zeros(shape[0], dtype=np.int64)
        self._best = np.full(shape[0], EMPTY)
        barred = np.isin(_numbers(relevant, shape), _numbers(excluded, shape))
        self._relevant, self._excluded = _ByBlock(relevant), _ByBlock(excluded)
        self._counted = ~barred
        if known is not None:
            self._learn(relevant, known, self._counted)

    def add(self, start: int, width: int, fill: Fill, threads: Workers) -> None:
        """Rank candidates ``start`` to ``start + width`` too, by the scores filled in; they come in ascending order."""
        threads.map(partial(self._add, start, width, fill), self._tiles.shares(self._shape[0], width))

    def _add(self, start: int, width: int, fill: Fill, rows: slice) -> None:
        """Rank a block's candidates for some queries."""
        tile = self._tiles.tile(rows.stop - rows.start, width)
        fill(rows, tile)
        self._mark(start, rows, tile)
        self._look(start, rows, tile)

    def _mark(self, start: int, rows: slice, tile: Tensor) -> None:
        """Learn or write in the scores of relevant pairs, and bar those that are excluded."""
        number, (query, candidate) = self._relevant.within(rows, start, tile.shape[1])
        places = torch.from_numpy(query - rows.start), torch.from_numpy(candidate - start)
        if self._known is None:
            self._learn(np.stack([query, candidate], axis=1), tile[places].cpu().numpy(), self._counted[number])
        else:
            tile[places] = torch.from_numpy(self._known[number]).to(tile.device)
        _, (query, candidate) = self._excluded.within(rows, start, tile.shape[1])
        tile[torch.from_numpy(query - rows.start), torch.from_numpy(candidate - start)] = -torch.inf

    def result(self, threads: Workers) -> SearchResult:
        """Return the lists, once all candidates are added."""
        shape = self._shape[0], self._depth
        result = SearchResult(
            np.empty(shape, dtype=np.int64),
            np.empty(shape, dtype=np.float32),
            np.where(self._best == EMPTY, 0, 1 + self._above),
        )
        threads.map(partial(self._write, result), range(0, shape[0], _SORTED))
        return result

    def _write(self, result: SearchResult, first: int) -> None:
        """Write the lists of some queries."""
        rows = slice(first, first + _SORTED)
        lists = self._lists.of(rows)
        lists.keep_best()
        best = np.sort(lists.keys[:, : self._depth], axis=1)
        missing = best == EMPTY
        result.candidates[rows] = np.where(missing, -1, candidates_of(best))
        result.scores[rows] = np.where(missing, np.float32(np.nan), scores_of(best))

    def _learn(self, pairs: Pairs, scores: Scores, counted: npt.NDArray[np.bool_]) -> None:
        """Take the best of each query's relevant candidates, those that are excluded left out."""
        np.minimum.at(self._best, pairs[counted, 0], keys_of(scores[counted], pairs[counted, 1]))

    def _look(self, start: int, rows: slice, tile: Tensor) -> None:
        """Count what ranks above the first relevant candidate of some queries, and list what they find in a block."""
        lists = self._lists.of(rows)
        if start == 0:
            lists.worst[:] = self._guessed(tile)
        self._above[rows] += self._tiles.look(tile, start, self._best[rows], lists)

    def _guessed(self, tile: Tensor) -> Scores:
        """Return scores [m] above which each row of the first block has as many as are listed: its best lie there.

        The best of every eighth score tell where that is, with four standard errors to spare; where they mislead, as
        with equals or candidates that get better and better, it is minus infinity.
        """
        sample = tile[:, ::_EVERY].cpu().numpy().copy()
        expected = self._depth / _EVERY
        place = sample.shape[1] - int(expected + 4.0 * sqrt(expected)) - 1
        if place < 0:
            return np.full(len(sample), -np.inf, dtype=np.float32)
        sample.partition(place, axis=1)
        guess = np.ascontiguousarray(sample[:, place])
        return np.where(self._tiles.above(tile, guess) >= self._depth, guess, np.float32(-np.inf))


class _ByBlock:
    """Pairs, to be found by the block of candidates that they fall into."""

    def __init__(self, pairs: Pairs) -> None:
        self._order = np.argsort(pairs[:, 1], kind="stable")
        self._pairs = pairs[self._order]

    def within(self, rows: slice, start: int, width: int) -> tuple[Keys, tuple[Keys, Keys]]:
        """Return the numbers, the queries and the candidates of the pairs in a tile."""
        low, high = np.searchsorted(self._pairs[:, 1], (start, start + width))
        query, candidate = self._pairs[low:high].T
        inside = (query >= rows.start) & (query < rows.stop)
        return self._order[low:high][inside], (query[inside], candidate[inside])


def _numbers(pairs: Pairs, shape: tuple[int, int]) -> Keys:
    """Number pairs in the table of all queries by all candidates, which is too large to hold."""
    return pairs[:, 0] * shape[1] + pairs[:, 1]
