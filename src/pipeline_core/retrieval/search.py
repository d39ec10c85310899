"""Exact cosine search: blocks of candidates against all queries, float32, ties by (score descending, id ascending).

Of a block's scores only those above a query's worst kept one are looked at again, and the rank of its first relevant
candidate is a count: nothing is sorted but what is listed, and the scores of one tile are held at a time.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from pipeline_core.activations.vectors import Matrix, Vectors

Pairs = npt.NDArray[np.int64]
"""Rows (query, candidate) [m, 2], ascending."""

Scores = npt.NDArray[np.float32]
Keys = npt.NDArray[np.int64]
"""What orders as (score, then lower candidate first): the float's ordered bits above the candidate's."""

Fill = Callable[[slice, Scores], object]
"""Writes the scores of some queries and a block of candidates into an array [m, width]."""

BLOCK = 8192
"""Candidates scored at a time."""

TILE = 1 << 23
"""Scores held at a time."""

NEVER = int(np.iinfo(np.int64).max)
"""Rank of the first relevant candidate where no list can hold one."""

_LAST = 0xFFFFFFFF
_EMPTY = int(np.iinfo(np.int64).min)
_ROOM = 256
"""Places of a query for candidates that have not been held against its best yet; at least as many as are listed."""

_PAIRS = 256

_CHUNK = 1 << 20
"""Scores looked through at a time: in a processor's own cache."""


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


def search(queries: Matrix, candidates: Vectors, relevant: Pairs, excluded: Pairs, depth: int) -> SearchResult:
    """Rank all candidates for each query.

    Args:
        queries: [q, d]; the score is the inner product, the cosine of vectors at unit norm.
        candidates: [n, d], in ascending order of id: ties are broken by row. They are read by blocks, once.
        relevant: pairs judged relevant.
        excluded: pairs taken out before ranking.
        depth: length of the lists returned, cut to n.
    """
    n = len(candidates)
    known = pair_scores(queries, candidates, relevant) if n > BLOCK else None
    ranking = Ranking((len(queries), n), relevant, excluded, depth, known)
    for start in range(0, n, BLOCK):
        block = candidates[start : start + BLOCK]
        ranking.add(start, len(block), products(queries, block))
    return ranking.result()


def rank(scores: Scores, relevant: Pairs, excluded: Pairs, depth: int) -> SearchResult:
    """Rank all candidates for each query by given scores [q, n], float32; the rest is as in ``search``."""
    ranking = Ranking((len(scores), scores.shape[1]), relevant, excluded, depth)
    ranking.add(0, scores.shape[1], lambda rows, tile: np.copyto(tile, scores[rows]))
    return ranking.result()


def products(queries: Matrix, candidates: Matrix) -> Fill:
    """Return what fills in the inner products of some queries and a block of candidates."""
    rows, columns = (torch.from_numpy(np.ascontiguousarray(vectors)) for vectors in (queries, candidates))
    return lambda some, tile: torch.mm(rows[some], columns.T, out=torch.from_numpy(tile))


def pair_scores(queries: Matrix, candidates: Vectors, pairs: Pairs) -> Scores:
    """Return the inner products of pairs [m], summed as those of a block are: by products of one size."""
    scores, tile = np.empty(len(pairs), dtype=np.float32), np.empty((_PAIRS, _PAIRS), dtype=np.float32)
    for start in range(0, len(pairs), _PAIRS):
        some = np.resize(pairs[start : start + _PAIRS], (_PAIRS, 2))
        products(queries[some[:, 0]], candidates[some[:, 1]])(slice(None), tile)
        scores[start : start + _PAIRS] = np.diagonal(tile)[: len(pairs) - start]
    return scores


class Ranking:
    """A search under way: the best candidates of each query among those added, and how many lie above a relevant one.

    ``known`` are the scores of the relevant pairs, which are needed before they come; they need not be given where one
    block holds all candidates.
    """

    def __init__(
        self, shape: tuple[int, int], relevant: Pairs, excluded: Pairs, depth: int, known: Scores | None = None
    ) -> None:
        """Start for as many queries and candidates as ``shape`` tells; the rest is as in ``search``."""
        self._shape, self._depth, self._known = shape, min(depth, shape[1]), known
        self._room = max(_ROOM, self._depth)
        # A query's candidates that wait to be held against its best, then its best.
        self._keys: Keys = np.full((shape[0], self._room + self._depth), _EMPTY)
        self._waiting = np.zeros(shape[0], dtype=np.int64)
        self._worst: Scores = np.full(shape[0], -np.inf, dtype=np.float32)
        self._above = np.zeros(shape[0], dtype=np.int64)
        self._best = np.full(shape[0], _EMPTY)
        self._space = np.empty(0, dtype=np.float32)
        barred = np.isin(_numbers(relevant, shape), _numbers(excluded, shape))
        self._relevant, self._excluded = _ByBlock(relevant), _ByBlock(excluded)
        self._counted = ~barred
        if known is not None:
            self._learn(relevant, known, self._counted)

    def add(self, start: int, width: int, fill: Fill) -> None:
        """Rank candidates ``start`` to ``start + width`` too, by the scores filled in; they come in ascending order."""
        step = min(max(1, TILE // width), self._shape[0])
        if self._space.size < step * width:
            # Kept from block to block: to be given new memory each time costs as much as to look through it.
            self._space = np.empty(step * width, dtype=np.float32)
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            self._add(start, width, step, fill, threads)

    def _add(self, start: int, width: int, step: int, fill: Fill, threads: ThreadPoolExecutor) -> None:
        for first in range(0, self._shape[0], step):
            rows = slice(first, min(first + step, self._shape[0]))
            tile = self._space[: (rows.stop - first) * width].reshape(-1, width)
            fill(rows, tile)
            number, (query, candidate) = self._relevant.within(rows, start, width)
            if self._known is None:
                self._learn(
                    np.stack([query, candidate], axis=1), tile[query - first, candidate - start], self._counted[number]
                )
            else:
                tile[query - first, candidate - start] = self._known[number]
            _, (query, candidate) = self._excluded.within(rows, start, width)
            tile[query - first, candidate - start] = -np.inf
            share = max(1, _CHUNK // width)
            parts = [slice(at, min(at + share, rows.stop)) for at in range(first, rows.stop, share)]
            tiles = [tile[part.start - first : part.stop - first] for part in parts]
            list(threads.map(partial(self._look, start), parts, tiles))

    def result(self) -> SearchResult:
        """Return the lists, once all candidates are added."""
        shape = self._shape[0], self._depth
        found, cosines = np.empty(shape, dtype=np.int64), np.empty(shape, dtype=np.float32)
        for first in range(0, shape[0], BLOCK):
            rows = slice(first, first + BLOCK)
            self._keep_best(rows)
            best = np.sort(self._keys[rows, self._room :], axis=1)[:, ::-1]
            missing = best == _EMPTY
            found[rows] = np.where(missing, -1, _candidates(best))
            cosines[rows] = np.where(missing, np.float32(np.nan), _scores(best))
        return SearchResult(found, cosines, np.where(self._best == _EMPTY, 0, 1 + self._above))

    def _learn(self, pairs: Pairs, scores: Scores, counted: npt.NDArray[np.bool_]) -> None:
        """Take the best of each query's relevant candidates, those that are excluded left out."""
        np.maximum.at(self._best, pairs[counted, 0], _keys(scores[counted], pairs[counted, 1]))

    def _look(self, start: int, rows: slice, tile: Scores) -> None:
        """Count and list what some queries find in a block."""
        self._count(rows, start, tile)
        at = 0
        while at < tile.shape[1]:
            # While little has been seen, what comes in no order fills the room by two such parts, the second larger.
            width = max(self._room, 3 * (start + at) * self._room // (8 * self._depth))
            self._list(rows, start + at, tile[:, at : at + width])
            at += width

    def _count(self, rows: slice, start: int, tile: Scores) -> None:
        """Count what ranks above the first relevant candidate: better ones, and its equals of a lower row."""
        best = self._best[rows]
        some = best != _EMPTY
        if not some.any():
            return
        width = tile.shape[1]
        score, candidate = _scores(best), _candidates(best)
        # Equals in a block that lies before it count: all from the next lower number on.
        least = np.where(candidate >= start + width, np.nextafter(score, np.float32(-np.inf)), score)
        least = np.where(some, least, np.float32(np.inf))
        above = np.packbits(tile > least[:, None], axis=1)
        self._above[rows] += np.bitwise_count(above).sum(axis=1, dtype=np.int64)
        inside = np.flatnonzero(some & (candidate >= start) & (candidate < start + width))
        before = np.arange(start, start + width) < candidate[inside, None]
        self._above[rows.start + inside] += ((tile[inside] == score[inside, None]) & before).sum(axis=1)

    def _list(self, rows: slice, start: int, tile: Scores) -> None:
        """Put aside what is better than the worst that is listed; of equals the first added stay."""
        n, width = tile.shape
        better = np.flatnonzero(tile > self._worst[rows, None])
        bounds = np.searchsorted(better, np.arange(n + 1) * width)
        counts = np.diff(bounds)
        if (self._waiting[rows] + counts).max() > self._room:
            if self._waiting[rows].any():
                self._keep_best(rows)
                self._list(rows, start, tile)
            else:
                half = width // 2
                self._list(rows, start, tile[:, :half])
                self._list(rows, start + half, tile[:, half:])
            return
        keys = _keys(np.take(tile, better), better - np.repeat(np.arange(n) * width - start, counts))
        for row in np.flatnonzero(counts):
            own, place = keys[bounds[row] : bounds[row + 1]], self._waiting[rows.start + row]
            self._keys[rows.start + row, place : place + len(own)] = own
        self._waiting[rows] += counts

    def _keep_best(self, rows: slice) -> None:
        """Hold those put aside against the best: what loses stays in a place that is free again."""
        self._keys[rows].partition(self._room, axis=1)
        worst = self._keys[rows, self._room]
        self._worst[rows] = np.where(worst == _EMPTY, np.float32(-np.inf), _scores(worst))
        self._waiting[rows] = 0


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


def _keys(scores: Scores, candidates: Keys) -> Keys:
    bits = (scores + np.float32(0.0)).view(np.int32)
    return (_flipped(bits).astype(np.int64) << 32) | (_LAST - candidates)


def _scores(keys: Keys) -> Scores:
    return _flipped((keys >> 32).astype(np.int32)).view(np.float32)


def _flipped(bits: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Turn the bits of floats into numbers in the same order, and back: those of negative ones run the other way."""
    return bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))


def _candidates(keys: Keys) -> Keys:
    return _LAST - (keys & _LAST)
