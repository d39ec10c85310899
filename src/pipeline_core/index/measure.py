"""The index against exact search: which share of the true first k it returns, and how fast."""

import time
from math import ceil
from typing import Any

import lancedb
import numpy as np
import polars as pl

from pipeline_core.activations.vectors import Matrix, VectorBlocks
from pipeline_core.index.items import Items, group_of
from pipeline_core.index.search import nearest
from pipeline_core.retrieval.maps import Map

_ROUNDING = 1e-6
"""Cosines closer than this are equal: the index sums in another order."""


def measure_recall(
    table: lancedb.table.Table,
    items: Items,
    stored: Matrix,
    sides: dict[str, Map],
    embeddings: VectorBlocks,
    queries: pl.DataFrame,
    tasks: pl.DataFrame,
    n_queries: int,
    ks: tuple[int, ...],
) -> list[dict[str, Any]]:
    """Ask test queries of each task for items of the task's candidate modality.

    Args:
        table: one variant of the index.
        items: its items.
        stored: their vectors [n, d] at unit norm, as stored.
        sides: the queries' map by group; a task whose group has none is left out.
        embeddings: where queries are looked up.
        queries: those of the split test that were embedded, in their order.
        tasks: whose they are.
        n_queries: queries in all, shared equally among the tasks.
        ks: cut-offs.

    Returns:
        Rows of ``index_recall`` but for rep_id, adaptation and kind.
    """
    share = ceil(n_queries / max(1, tasks.height))
    rows = []
    for task in tasks.iter_rows(named=True):
        asking = queries.filter(pl.col("task_id") == task["task_id"]).head(share)
        group = group_of(embeddings, task["query_modality"], task["query_prompt_id"])
        if group not in sides or asking.is_empty():
            continue
        asked = embeddings.rows_of(asking["sample_id"].to_list(), asking["prompt_id"].to_list())
        vectors = sides[group].apply(embeddings.take(asked))
        rows += _task_rows(table, items, stored, task, vectors, ks)
    return rows


def _task_rows(
    table: lancedb.table.Table, items: Items, stored: Matrix, task: dict[str, Any], vectors: Matrix, ks: tuple[int, ...]
) -> list[dict[str, Any]]:
    answers = items.frame["modality"] == task["candidate_modality"]
    members = np.flatnonzero(answers.to_numpy())
    if not len(members):
        return []
    keys = np.array(["\0".join(pair) for pair in items.frame.select("sample_id", "prompt_id").iter_rows()])[members]
    scores = vectors @ stored[members].T
    condition = f"modality = '{task['candidate_modality']}'"
    depth = min(max(ks), len(members))
    shares = dict.fromkeys(ks, 0.0)
    started = time.perf_counter()
    found = [nearest(table, vector, condition, depth) for vector in vectors]
    seconds = time.perf_counter() - started
    for row, hits in zip(scores, found, strict=True):
        place = dict(zip(keys.tolist(), row.tolist(), strict=True))
        returned = ["\0".join(pair) for pair in hits.select("sample_id", "prompt_id").iter_rows()]
        for k in ks:
            cut = min(k, len(members))
            # An item as good as the k-th is a right answer, whichever of the equals the exact search would list.
            least = np.partition(row, -cut)[-cut] - _ROUNDING
            shares[k] += sum(place[key] >= least for key in returned[:k]) / cut
    return [
        {
            "task_id": task["task_id"],
            "k": k,
            "recall": shares[k] / len(vectors),
            "n_queries": len(vectors),
            "queries_per_second": len(vectors) / seconds,
        }
        for k in ks
    ]
