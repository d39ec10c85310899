"""A retrieval problem: the queries, candidates, judgements and exclusions of one task in one split, as row numbers."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_core.errors import DataError
from pipeline_core.retrieval.search import Pairs
from pipeline_core.schema.parquet import read_table


@dataclass(frozen=True)
class Pool:
    """Queries and candidates of one task and split, each in ascending order of id.

    Attributes:
        task_id: the task.
        split: the split.
        query_ids: one a query.
        query_samples: sample of each query.
        query_prompts: prompt that each query is embedded under.
        candidate_ids: sample of each candidate.
        relevant: pairs (query row, candidate row) judged relevant and not excluded.
        relevance: judgement of each relevant pair, 1 or more.
        excluded: pairs that may not be returned.
        groups: for each query, the group of its first relevant candidate, the family that the data set's splits keep
            together; '' without one. Not that of its own sample: the text-only control of a composed query asks with a
            phrase that many families share, and the groups of a control must be those of its task.
    """

    task_id: str
    split: str
    query_ids: tuple[str, ...]
    query_samples: tuple[str, ...]
    query_prompts: tuple[str, ...]
    candidate_ids: tuple[str, ...]
    relevant: Pairs
    relevance: npt.NDArray[np.int64]
    excluded: Pairs
    groups: tuple[str, ...]

    @cached_property
    def n_relevant(self) -> npt.NDArray[np.int64]:
        """Relevant candidates of each query [q]."""
        return np.bincount(self.relevant[:, 0], minlength=len(self.query_ids))

    @cached_property
    def n_available(self) -> npt.NDArray[np.int64]:
        """Candidates left to each query after its exclusions [q]."""
        return len(self.candidate_ids) - np.bincount(self.excluded[:, 0], minlength=len(self.query_ids))

    @cached_property
    def judged(self) -> npt.NDArray[np.int64]:
        """Rows of the queries with a relevant candidate: the only ones that scores are averaged over.

        The released code of the paper counts the others as misses, so that the score falls with the pool.
        """
        return np.flatnonzero(self.n_relevant)

    @cached_property
    def judged_groups(self) -> npt.NDArray[np.int64]:
        """Group of each judged query [judged], numbered from 0.

        Queries of a group are variants of one thing, and succeed or fail together: only groups are independent.
        """
        _, numbers = np.unique([self.groups[row] for row in self.judged], return_inverse=True)
        return numbers.astype(np.int64)


class Judgements:
    """All retrieval tables of a data set."""

    def __init__(self, dataset: Path) -> None:
        """Read the tables of a dataset artifact."""
        self.tasks = read_table(dataset, "tasks").sort("task_id")
        self._pool_ids = dict(self.tasks.select("task_id", "pool_id").iter_rows())
        self._queries = read_table(dataset, "queries")
        self._candidates = read_table(dataset, "candidates")
        self._exclusions = read_table(dataset, "exclusions")
        self._qrels = read_table(dataset, "qrels").filter(pl.col("relevance") >= 1)
        self._groups = read_table(dataset, "samples", ["sample_id", "group"])

    def asks_in(self, task_id: str, split: str) -> bool:
        """Return whether a task has queries in a split."""
        return not self._queries.filter(task_id=task_id, split=split).is_empty()

    def pool(self, task_id: str, split: str) -> Pool:
        """Return the pool of a task in a split.

        Raises:
            DataError: there are no queries or no candidates.
        """
        task, here = pl.col("task_id") == task_id, pl.col("split") == split
        queries = self._queries.filter(task, here).sort("query_id").with_row_index("query")
        pool = pl.col("pool_id") == self._pool_ids[task_id]
        candidates = self._candidates.filter(pool, here | pl.col("split").is_null()).sort("sample_id")
        candidates = candidates.with_row_index("candidate")
        for rows, name in ((queries, "queries"), (candidates, "candidates")):
            if rows.is_empty():
                raise DataError(
                    f"task {task_id} has no {name} in the split {split}",
                    "judge some there, or draw the splits of more samples or by another seed",
                )
        rows_of = queries.select("query", "query_id"), candidates.select("candidate", "sample_id")
        excluded = _join(self._exclusions.filter(task), *rows_of)
        relevant = _join(self._qrels.filter(task), *rows_of).join(excluded, on=["query", "candidate"], how="anti")
        groups = (
            relevant.join(self._groups, on="sample_id")
            .group_by("query")
            .agg(pl.col("group").sort_by("candidate").first())
        )
        return Pool(
            task_id,
            split,
            tuple(queries["query_id"]),
            tuple(queries["sample_id"]),
            tuple(queries["prompt_id"]),
            tuple(candidates["sample_id"]),
            _pairs(relevant),
            relevant.sort("query", "candidate")["relevance"].to_numpy().astype(np.int64),
            _pairs(excluded),
            tuple(queries.join(groups, on="query", how="left").sort("query")["group"].fill_null("")),
        )


def shuffled(pool: Pool, rng: np.random.Generator) -> Pool:
    """Return the pool with each judged query given the relevant candidates of a query of another family.

    A system that only matches queries to their own answers falls to chance. What stays above it is what the relevant
    candidates of all queries have in common, e.g. that all edits end in a toned picture while the pool has others too.
    Queries keep their own groups.
    """
    judged = pool.judged
    families: dict[str, list[int]] = {}
    for row in judged[rng.permutation(len(judged))].tolist():
        families.setdefault(pool.groups[row], []).append(row)
    order = np.array([row for rows in families.values() for row in rows], dtype=np.int64)
    # Families lie in runs: a shift by the longest run takes every query out of its own.
    donor = np.roll(order, max((len(rows) for rows in families.values()), default=0))
    receiver_of = dict(zip(donor.tolist(), order.tolist(), strict=True))
    pairs = np.array([(receiver_of[q], c) for q, c in pool.relevant.tolist()], dtype=np.int64).reshape(-1, 2)
    barred = set(map(tuple, pool.excluded.tolist()))
    kept = np.array([tuple(pair) not in barred for pair in pairs.tolist()], dtype=bool)
    pairs, relevance = pairs[kept], pool.relevance[kept]
    ascending = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return replace(pool, relevant=pairs[ascending], relevance=relevance[ascending])


def _join(pairs: pl.DataFrame, queries: pl.DataFrame, candidates: pl.DataFrame) -> pl.DataFrame:
    return pairs.join(queries, on="query_id").join(candidates, on="sample_id").sort("query", "candidate")


def _pairs(frame: pl.DataFrame) -> Pairs:
    return frame.sort("query", "candidate").select("query", "candidate").to_numpy().astype(np.int64)
