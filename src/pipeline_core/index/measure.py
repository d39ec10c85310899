"""The index against exact search: which share of the true first k it returns, and how fast."""

import time
from dataclasses import dataclass
from math import ceil
from typing import Any

import lancedb
import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_core.activations.vectors import Matrix, Rows, VectorBlocks, Vectors
from pipeline_core.index.items import Items, group_of
from pipeline_core.index.search import nearest
from pipeline_core.retrieval.maps import Map
from pipeline_core.retrieval.search import Pairs, search

_NO_PAIRS: Pairs = np.empty((0, 2), dtype=np.int64)

_ROUNDING = 1e-6
"""Cosines closer than this are equal: the index sums in another order."""


def measure_recall(
    table: lancedb.table.Table,
    items: Items,
    stored: Vectors,
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
        stored: their vectors [n, d] at unit norm, as stored; made when they are asked for.
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
    table: lancedb.table.Table,
    items: Items,
    stored: Vectors,
    task: dict[str, Any],
    vectors: Matrix,
    ks: tuple[int, ...],
) -> list[dict[str, Any]]:
    key = ["sample_id", "prompt_id"]
    answers = items.frame.with_row_index("row").filter(modality=task["candidate_modality"]).select("row", *key)
    if answers.is_empty():
        return []
    condition = f"modality = '{task['candidate_modality']}'"
    depth = min(max(ks), answers.height)
    started = time.perf_counter()
    found = [nearest(table, vector, condition, depth) for vector in vectors]
    seconds = time.perf_counter() - started
    best = search(vectors, _Some(stored, answers["row"].to_numpy()), _NO_PAIRS, _NO_PAIRS, depth).scores
    lengths = np.array([hits.height for hits in found])
    query = np.repeat(np.arange(len(vectors)), lengths)
    place = np.arange(len(query)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    rows = pl.concat(found).join(answers, on=key, how="left", maintain_order="left")["row"].to_numpy()
    scores = (vectors[query] * stored[rows.astype(np.int64)]).sum(axis=1)
    shares = {}
    for k in ks:
        cut = min(k, answers.height)
        # An item as good as the k-th is a right answer, whichever of the equals the exact search would list.
        right = (place < k) & (scores >= best[query, cut - 1] - _ROUNDING)
        shares[k] = sum((np.bincount(query[right], minlength=len(vectors)) / cut).tolist())
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


@dataclass(frozen=True)
class _Some:
    """Some of vectors that are made when they are asked for."""

    vectors: Vectors
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, some: slice | Rows) -> Matrix:
        return self.vectors[self.rows[some]]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self[:].astype(dtype or np.float32, copy=False)
