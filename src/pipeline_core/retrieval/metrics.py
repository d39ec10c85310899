"""Scores of each query: hit_rate (the literature's Recall@k) and MRR from ranks; recall and nDCG from lists.

The first two need only the rank of the first relevant candidate, and are given for every system. All are trec_eval's,
to the last bit, of all queries at once: equality with ir-measures is tested.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.search import SearchResult

Scores = dict[tuple[str, int], npt.NDArray[np.float64]]
"""(metric, cut-off) -> one value a judged query, in the order of ``Pool.judged``."""

_BLOCK = 8192
"""Queries scored at a time."""


def rank_scores(ranks: npt.NDArray[np.int64], ks: Sequence[int]) -> Scores:
    """Return hit_rate and mrr at each cut-off from first relevant ranks (from 1) of the judged queries.

    A query whose first relevant candidate lies below the cut-off counts as 0 in both.
    """
    scores: Scores = {}
    for k in ks:
        scores["hit_rate", k] = (ranks <= k).astype(np.float64)
        scores["mrr", k] = np.where(ranks <= k, 1.0 / ranks, 0.0)
    return scores


class ListScorer:
    """Scores result lists against the judgements of one pool, looked up once for all systems."""

    def __init__(self, pool: Pool, ks: Sequence[int]) -> None:
        """Prepare recall and nDCG (gain = relevance, discount log2) at the cut-offs ``ks``."""
        self._pool, self._ks = pool, ks
        self._discounts = np.log2(np.arange(2, max(ks) + 2))
        self._numbers = self._number(pool.relevant[:, 0], pool.relevant[:, 1])
        # The ideal list has the largest gains first; a judgement below all cut-offs counts for none.
        order = np.lexsort((-pool.relevance, pool.relevant[:, 0]))
        queries = pool.relevant[order, 0]
        place = np.arange(len(order)) - np.searchsorted(queries, queries)
        seen = place < max(ks)
        gains = np.zeros((len(pool.query_ids), max(ks)))
        gains[queries[seen], place[seen]] = pool.relevance[order][seen]
        self._ideal = self._discounted(gains[pool.judged])

    def scores(self, result: SearchResult) -> Scores:
        """Score every judged query of a search."""
        pool, ks = self._pool, self._ks
        scores = {(name, k): np.zeros(len(pool.judged)) for name in ("recall", "ndcg") for k in ks}
        for start in range(0, len(pool.judged), _BLOCK):
            some = slice(start, start + _BLOCK)
            gains = self._gains(pool.judged[some], result.candidates[pool.judged[some], : max(ks)])
            found, reached = np.cumsum(gains > 0, axis=1), self._discounted(gains)
            for k in ks:
                last = min(k, gains.shape[1]) - 1
                scores["recall", k][some] = found[:, last] / pool.n_relevant[pool.judged[some]]
                scores["ndcg", k][some] = reached[:, last] / self._ideal[some, k - 1]
        return scores

    def _gains(self, queries: npt.NDArray[np.int64], listed: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the relevance [m, depth] of listed candidates, 0 of those not judged and of empty places."""
        numbers = self._number(queries[:, None], listed)
        places = np.minimum(np.searchsorted(self._numbers, numbers), len(self._numbers) - 1)
        judged = (self._numbers[places] == numbers) & (listed >= 0)
        return np.where(judged, self._pool.relevance[places], 0)

    def _discounted(self, gains: npt.NDArray[np.number]) -> npt.NDArray[np.float64]:
        """Return the discounted cumulative gain at each rank, added up from the first on."""
        return np.cumsum(gains / self._discounts[: gains.shape[1]], axis=1)

    def _number(self, queries: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return queries * len(self._pool.candidate_ids) + candidates
