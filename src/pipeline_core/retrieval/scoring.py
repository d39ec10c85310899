"""One task in one split, scored for every system: per-query scores, and the tables' rows made of them."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from pipeline_core.retrieval.chance import chance_scores
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.metrics import ListScorer, Scores, rank_scores
from pipeline_core.retrieval.randomness import generator
from pipeline_core.retrieval.search import SearchResult
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.retrieval.significance import bootstrap_intervals, corrected, permutation_p
from pipeline_core.schema import TABLES

SCORES_HELD = 1 << 24
"""Scores whose intervals are worked out at a time."""


@dataclass(frozen=True)
class Scored:
    """How systems scored on one pool, each on the same queries.

    Attributes:
        pool: what was searched.
        ranks: rank of each judged query's first relevant candidate, by system id.
        scores: per-query scores, by system id.
        ks: cut-offs.
    """

    pool: Pool
    ranks: Mapping[str, npt.NDArray[np.int64]]
    scores: Mapping[str, Scores]
    ks: tuple[int, ...]


def score(pool: Pool, results: Mapping[str, SearchResult], ks: tuple[int, ...], listed: Container[str]) -> Scored:
    """Score the results [system id] of one pool; recall and nDCG, which take longest, only of ``listed`` systems."""
    ranks = {system_id: result.first_relevant_rank[pool.judged] for system_id, result in results.items()}
    scores = {system_id: rank_scores(own, ks) for system_id, own in ranks.items()}
    with_lists = [system_id for system_id in results if system_id in listed]
    if with_lists:
        lists = ListScorer(pool, ks)
        for system_id in with_lists:
            scores[system_id] |= lists.scores(results[system_id])
    return Scored(pool, ranks, scores, ks)


def joined(parts: Sequence[Scored]) -> Scored:
    """Put together how different systems scored on one pool."""
    ranks = {system_id: own for part in parts for system_id, own in part.ranks.items()}
    scores = {system_id: own for part in parts for system_id, own in part.scores.items()}
    return Scored(parts[0].pool, ranks, scores, parts[0].ks)


def answered_share(pool: Pool, settings: ScoringSettings) -> float:
    """Return the share of the queries averaged over that have an answer; the others are misses of every system.

    Their number is no sample, so that an interval is scaled by it as its score is.
    """
    return len(pool.judged) / pool.n_all if settings.denominator == "all" else 1.0


def metric_rows(scored: Scored, settings: ScoringSettings) -> pl.DataFrame:
    """Return rows of ``retrieval_metrics``."""
    pool, share = scored.pool, answered_share(scored.pool, settings)
    chance = chance_scores(pool, scored.ks)
    names = [(system_id, metric, k) for system_id, scores in scored.scores.items() for metric, k in scores]
    at_once = max(1, SCORES_HELD // len(pool.judged))
    values, low, high = np.concatenate(
        [_intervals(scored, names[start : start + at_once], settings) for start in range(0, len(names), at_once)],
        axis=1,
    )
    return pl.DataFrame(
        {
            "system_id": [name[0] for name in names],
            "task_id": pool.task_id,
            "split": pool.split,
            "metric": [name[1] for name in names],
            "k": [name[2] for name in names],
            "value": values * share,
            "low": low * share,
            "high": high * share,
            "n_queries": round(len(pool.judged) / share),
            "n_groups": len(np.unique(pool.judged_groups)),
            "n_candidates": len(pool.candidate_ids),
            "chance": [chance[name[1], name[2]] * share for name in names],
        }
    )


def _intervals(
    scored: Scored, names: Sequence[tuple[str, str, int]], settings: ScoringSettings
) -> npt.NDArray[np.float64]:
    """Return means and both ends of their intervals [3, names]; the draws are the same for whichever names."""
    pool = scored.pool
    values = np.stack([scored.scores[system_id][metric, k] for system_id, metric, k in names])
    draws = _draws("bootstrap", pool, settings)
    return np.stack([values.mean(axis=1), *bootstrap_intervals(values, pool.judged_groups, settings.bootstrap, draws)])


def rank_rows(scored: Scored) -> pl.DataFrame:
    """Return rows of ``retrieval_ranks``."""
    pool = scored.pool
    query_ids, families = (pl.Series(own)[pool.judged] for own in (pool.query_ids, pool.groups))
    return pl.concat(
        pl.DataFrame(
            {
                "system_id": system_id,
                "task_id": pool.task_id,
                "split": pool.split,
                "query_id": query_ids,
                "family": families,
                "first_relevant_rank": ranks,
                "n_relevant": pool.n_relevant[pool.judged],
            }
        )
        for system_id, ranks in scored.ranks.items()
    )


def hit_rows(pool: Pool, results: Mapping[str, SearchResult]) -> pl.DataFrame:
    """Return rows of ``retrieval_hits`` for every query, judged or not."""
    query_ids, candidate_ids = pl.Series(pool.query_ids), pl.Series(pool.candidate_ids)
    relevant = _place(pool.relevant[:, 0], pool.relevant[:, 1], pool)
    frames = []
    for system_id, result in results.items():
        query, place = np.nonzero(result.candidates >= 0)
        candidate = result.candidates[query, place]
        frames.append(
            pl.DataFrame(
                {
                    "system_id": system_id,
                    "task_id": pool.task_id,
                    "query_id": query_ids[query],
                    "rank": place + 1,
                    "sample_id": candidate_ids[candidate],
                    "score": result.scores[query, place],
                    "relevant": np.isin(_place(query, candidate, pool), relevant),
                }
            )
        )
    return pl.concat(frames)


def effect_rows(
    pool: Pool, k: int, named: Sequence[dict[str, Any]], differences: npt.NDArray[np.float64], settings: ScoringSettings
) -> pl.DataFrame:
    """Return paired effects on the hit rate at k: delta, its interval and p, beside the columns that name each.

    Args:
        pool: what was scored.
        k: cut-off, the task's primary one.
        named: for each effect, the columns that identify it.
        differences: per-query score differences [effects, judged queries].
        settings: numbers of resamples and permutations, seed.
    """
    groups, share = pool.judged_groups, answered_share(pool, settings)
    draws = _draws("bootstrap", pool, settings)
    low, high = bootstrap_intervals(differences, groups, settings.bootstrap, draws, least=-1.0)
    return pl.DataFrame(list(named), infer_schema_length=None).with_columns(
        task_id=pl.lit(pool.task_id),
        metric=pl.lit("hit_rate"),
        k=pl.lit(k),
        delta=differences.mean(axis=1) * share,
        low=low * share,
        high=high * share,
        p=permutation_p(differences, groups, settings.permutations, _draws("permutation", pool, settings)),
    )


def comparison_rows(
    scored: Scored, pairs: Sequence[tuple[str, str]], k: int, settings: ScoringSettings
) -> pl.DataFrame:
    """Return the rows of ``comparisons``, but for q, of (system id, baseline id) pairs by their hit rates at k."""
    named = [{"system_id": system_id, "baseline_id": baseline_id} for system_id, baseline_id in pairs]
    differences = [
        scored.scores[system_id]["hit_rate", k] - scored.scores[baseline_id]["hit_rate", k]
        for system_id, baseline_id in pairs
    ]
    return effect_rows(scored.pool, k, named, np.stack(differences), settings)


def families(name: str, *effects: Sequence[pl.DataFrame]) -> pl.DataFrame | pa.Table:
    """Join the effects of all tasks into table ``name``, the p-values of each sequence corrected as one family (q)."""
    wholes = [pl.concat(family, how="vertical_relaxed") for family in effects if family]
    if not wholes:
        return TABLES[name].arrow.empty_table()
    return pl.concat(
        (whole.with_columns(q=corrected(whole["p"].to_numpy())) for whole in wholes), how="vertical_relaxed"
    )


def _place(queries: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64], pool: Pool) -> npt.NDArray[np.int64]:
    """Number pairs in the table of all queries by all candidates, which is too large to hold."""
    return queries * len(pool.candidate_ids) + candidates


def _draws(purpose: str, pool: Pool, settings: ScoringSettings) -> np.random.Generator:
    return generator(settings.seed, f"{purpose}/{pool.task_id}/{pool.split}")
