"""What a random ranking would score: the exact expectation of every metric, given pools, exclusions and judgements."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from pipeline_core.retrieval.judgements import Pool

Values = npt.NDArray[np.float64]


def chance_scores(pool: Pool, ks: Sequence[int]) -> dict[tuple[str, int], float]:
    """Return the expected value of each (metric, cut-off) over the judged queries, when every order is equally likely.

    A query with N available and R relevant candidates, all embedded: P(hit in k) = 1 - C(N-R, k) / C(N, k)
    (hypergeometric); E[recall] = k/N of R; E[RR] sums P(first relevant rank = r) / r; E[DCG] is linear in the mean gain
    R/N of a rank. What is not embedded is never found.
    """
    available, judged = pool.n_available[pool.judged], pool.n_relevant[pool.judged]
    relevant = np.bincount(pool.relevant[pool.findable, 0], minlength=len(pool.query_ids))[pool.judged]
    expected: dict[tuple[str, int], float] = {}
    for k in ks:
        expected["hit_rate", k] = float(_hit(available, relevant, k).mean())
        expected["recall", k] = float((np.minimum(k, available) / available * (relevant / judged)).mean())
        expected["ndcg", k] = float(_ndcg(pool, available, k).mean())
    hits = np.stack([_hit(available, relevant, k) for k in range(max(ks) + 1)])
    reciprocal = (np.diff(hits, axis=0) / np.arange(1, max(ks) + 1)[:, None]).mean(axis=1)
    for k in ks:
        expected["mrr", k] = float(reciprocal[:k].sum())
    return expected


def _hit(available: npt.NDArray[np.int64], relevant: npt.NDArray[np.int64], k: int) -> Values:
    # Queries alike share a term: in a pool of a million it takes milliseconds.
    (of, found), query = np.unique(np.stack([available, relevant]), axis=1, return_inverse=True)
    return np.asarray((1.0 - stats.hypergeom.pmf(0, of, found, np.minimum(k, of)))[query])


def _ndcg(pool: Pool, available: npt.NDArray[np.int64], k: int) -> Values:
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    reached = np.cumsum(discounts)[np.minimum(k, available) - 1]
    queries, gains = pool.relevant[:, 0], pool.relevance.astype(np.float64)
    order = np.lexsort((-gains, queries))
    starts = np.searchsorted(queries, queries)
    place = np.arange(len(order)) - starts  # rank of each judgement in its query's ideal list
    weights = np.where(place < k, discounts[np.minimum(place, k - 1)], 0.0)
    size = len(pool.query_ids)
    ideal = np.bincount(queries, gains[order] * weights, minlength=size)[pool.judged]
    total = np.bincount(queries, gains * pool.findable, minlength=size)[pool.judged]
    return np.asarray(total / available * reached / ideal)
