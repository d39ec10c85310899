"""Scores of each query: hit_rate (the literature's Recall@k) and MRR from ranks; recall and nDCG by ir-measures.

The first two need only the rank of the first relevant candidate, and are given for every system; equality with
ir-measures' Success and RR is tested. The others need the lists.
"""

from collections.abc import Sequence

import ir_measures
import numpy as np
import numpy.typing as npt

from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.search import SearchResult

Scores = dict[tuple[str, int], npt.NDArray[np.float64]]
"""(metric, cut-off) -> one value a judged query, in the order of ``Pool.judged``."""


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
    """Scores result lists against the judgements of one pool, converted once for all systems."""

    def __init__(self, pool: Pool, ks: Sequence[int]) -> None:
        """Prepare recall and nDCG (gain = relevance, discount log2) at the cut-offs ``ks``."""
        self._pool = pool
        self._depth = max(ks)
        families = (("recall", ir_measures.R), ("ndcg", ir_measures.nDCG))
        self._names = {measure @ k: (name, k) for name, measure in families for k in ks}
        qrels: dict[str, dict[str, int]] = {str(query): {} for query in pool.judged}
        for (query, candidate), relevance in zip(pool.relevant.tolist(), pool.relevance.tolist(), strict=True):
            qrels[str(query)][str(candidate)] = relevance
        self._evaluator = ir_measures.evaluator(list(self._names), qrels)

    def scores(self, result: SearchResult) -> Scores:
        """Score every judged query of a search."""
        judged = self._pool.judged
        place = {str(query): n for n, query in enumerate(judged)}
        scores = {name: np.zeros(len(judged)) for name in self._names.values()}
        for query, measure, value in self._evaluator.iter_calc(self._run(result)):
            scores[self._names[measure]][place[query]] = value
        return scores

    def _run(self, result: SearchResult) -> dict[str, dict[str, float]]:
        # Ranks stand for scores: trec_eval breaks ties by descending id, we by ascending.
        lists = result.candidates[self._pool.judged, : self._depth].tolist()
        return {
            str(query): {str(candidate): -float(rank) for rank, candidate in enumerate(row) if candidate >= 0}
            for query, row in zip(self._pool.judged, lists, strict=True)
        }
