"""Scores of any TREC run against qrels, with intervals: by the same code as the scores of an analysis."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from pipeline_core.errors import DataError
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.metrics import ListScorer, rank_scores
from pipeline_core.retrieval.randomness import generator
from pipeline_core.retrieval.search import NEVER, Pairs, SearchResult
from pipeline_core.retrieval.significance import bootstrap_intervals

_NO_PAIRS: Pairs = np.empty((0, 2), dtype=np.int64)


def score_run(run: pl.DataFrame, qrels: pl.DataFrame, ks: Sequence[int], bootstrap: int, seed: int) -> pl.DataFrame:
    """Score a run: hit_rate, mrr, recall and ndcg at each cut-off.

    Averaged over the queries with a relevant document; those that the run leaves out count as 0. Documents are ordered
    by (score descending, id ascending), whatever their ranks say, as trec_eval does but for the order of ties.

    Args:
        run: query_id, sample_id, score; see ``trec.read_run``.
        qrels: query_id, sample_id, relevance; 1 or more is relevant, and is the gain of nDCG.
        ks: cut-offs.
        bootstrap: resamples of the 95% intervals; queries are taken as independent.
        seed: of the resamples.

    Returns:
        Columns metric, k, value, low, high, n_queries.

    Raises:
        DataError: no document is relevant, or the run holds none of the judged queries.
    """
    pool = _pool(run, qrels)
    result = _result(run, pool, max(ks))
    scores = rank_scores(result.first_relevant_rank, ks) | ListScorer(pool, ks).scores(result)
    values = np.stack(list(scores.values()))
    low, high = bootstrap_intervals(values, pool.judged_groups, bootstrap, generator(seed, "bootstrap/run"))
    return pl.DataFrame(
        {
            "metric": [metric for metric, _ in scores],
            "k": [k for _, k in scores],
            "value": values.mean(axis=1),
            "low": low,
            "high": high,
            "n_queries": values.shape[1],
        }
    )


def _pool(run: pl.DataFrame, qrels: pl.DataFrame) -> Pool:
    """Return the judged queries with all documents that the run or the qrels name; each query is its own group."""
    relevant = qrels.filter(pl.col("relevance") >= 1)
    if relevant.is_empty():
        raise DataError("the qrels judge nothing relevant", "give qrels with a relevance of 1 or more")
    queries = relevant.select(pl.col("query_id").unique().sort()).with_row_index("query")
    if run.join(queries, on="query_id", how="semi").is_empty():
        raise DataError(
            f"the run has none of the {queries.height} judged queries, such as {queries['query_id'][0]!r}",
            "give run and qrels of the same task",
        )
    documents = pl.concat([run["sample_id"], relevant["sample_id"]]).unique().sort()
    candidates = pl.DataFrame({"sample_id": documents}).with_row_index("candidate")
    judged = relevant.join(queries, on="query_id").join(candidates, on="sample_id").sort("query", "candidate")
    query_ids = tuple(queries["query_id"])
    return Pool(
        "run",
        "run",
        query_ids,
        query_ids,
        ("",) * len(query_ids),
        tuple(documents),
        judged.select("query", "candidate").to_numpy().astype(np.int64),
        judged["relevance"].to_numpy(),
        _NO_PAIRS,
        query_ids,
    )


def _result(run: pl.DataFrame, pool: Pool, depth: int) -> SearchResult:
    queries = pl.DataFrame({"query_id": pool.query_ids}).with_row_index("query")
    candidates = pl.DataFrame({"sample_id": pool.candidate_ids}).with_row_index("candidate")
    listed = (
        run.join(queries, on="query_id")
        .join(candidates, on="sample_id")
        .sort("query", "score", "candidate", descending=[False, True, False])
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("query"))
    )
    judged = pl.DataFrame(pool.relevant, {"query": pl.UInt32, "candidate": pl.UInt32}, orient="row")
    first = listed.join(judged, on=["query", "candidate"]).group_by("query").agg(pl.col("rank").min())
    ranks = np.full(len(pool.query_ids), NEVER)
    ranks[first["query"].to_numpy()] = first["rank"].to_numpy()
    shown = listed.filter(pl.col("rank") <= depth)
    place = shown["query"].to_numpy(), shown["rank"].to_numpy() - 1
    found = np.full((len(pool.query_ids), depth), -1)
    found[place] = shown["candidate"].to_numpy()
    scores = np.full(found.shape, np.nan, dtype=np.float32)
    scores[place] = shown["score"].to_numpy()
    return SearchResult(found, scores, ranks)
