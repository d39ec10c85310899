"""A retrieval problem: the queries, candidates, judgements and exclusions of one task in one split, as row numbers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_core.activations.limits import Limits
from pipeline_core.activations.spilled import SpilledVectors
from pipeline_core.activations.vectors import Matrix, Vectors
from pipeline_core.dataset.pools import CANDIDATE_PROMPT
from pipeline_core.errors import DataError
from pipeline_core.retrieval.search import NEVER, Pairs, SearchResult, rank, search_all
from pipeline_core.schema.parquet import read_table, scan_table

Rows = npt.NDArray[np.int64]


def _no_rows() -> Rows:
    return np.empty(0, dtype=np.int64)


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
        unanswered: queries beside these that the data set does not ask, as nothing usable answers them.
        lost_queries: rows of the queries that the model could not embed. They are misses: models that are compared have
            the same queries.
        lost_candidates: rows of the candidates that it could not embed, which are in no list.
        candidate_prompts: prompt that each candidate is embedded under; empty where all are under the task's.
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
    unanswered: int = 0
    lost_queries: Rows = field(default_factory=_no_rows)
    lost_candidates: Rows = field(default_factory=_no_rows)
    candidate_prompts: tuple[str, ...] = ()

    @cached_property
    def n_relevant(self) -> npt.NDArray[np.int64]:
        """Relevant candidates of each query [q]."""
        return np.bincount(self.relevant[:, 0], minlength=len(self.query_ids))

    @cached_property
    def queries(self) -> Rows:
        """Rows of the queries that are embedded."""
        return np.setdiff1d(np.arange(len(self.query_ids)), self.lost_queries, assume_unique=True)

    @cached_property
    def candidates(self) -> Rows:
        """Rows of the candidates that are embedded."""
        return np.setdiff1d(np.arange(len(self.candidate_ids)), self.lost_candidates, assume_unique=True)

    @cached_property
    def findable(self) -> npt.NDArray[np.bool_]:
        """Which of the relevant pairs are of an embedded query and an embedded candidate."""
        return self._embedded(self.relevant)

    @cached_property
    def n_available(self) -> npt.NDArray[np.int64]:
        """Embedded candidates left to each query after its exclusions [q]."""
        barred = self.excluded[~np.isin(self.excluded[:, 1], self.lost_candidates)]
        return len(self.candidates) - np.bincount(barred[:, 0], minlength=len(self.query_ids))

    def _embedded(self, pairs: Pairs) -> npt.NDArray[np.bool_]:
        return ~(np.isin(pairs[:, 0], self.lost_queries) | np.isin(pairs[:, 1], self.lost_candidates))

    @cached_property
    def judged(self) -> npt.NDArray[np.int64]:
        """Rows of the queries with a relevant candidate: the only ones that are scored."""
        return np.flatnonzero(self.n_relevant)

    @property
    def n_all(self) -> int:
        """All queries that there are, those that nothing answers among them.

        The released code of the paper counts these as misses, so that the score falls with the pool.
        """
        return len(self.query_ids) + self.unanswered

    @cached_property
    def judged_groups(self) -> npt.NDArray[np.int64]:
        """Group of each judged query [judged], numbered from 0.

        Queries of a group are variants of one thing, and succeed or fail together: only groups are independent.
        """
        _, numbers = np.unique([self.groups[row] for row in self.judged], return_inverse=True)
        return numbers.astype(np.int64)

    def search(
        self,
        queries: Sequence[Matrix],
        mapped: Callable[[Matrix], Iterable[Matrix]],
        candidates: Vectors,
        depth: int,
        device: str = "cpu",
    ) -> list[SearchResult]:
        """Rank the pool by several systems, by the vectors of what is embedded of both; see ``search.search_all``."""
        return self._ranked(
            lambda relevant, excluded: search_all(queries, mapped, candidates, relevant, excluded, depth, device)
        )

    def rank(self, scores: Matrix | SpilledVectors, depth: int) -> SearchResult:
        """Rank the pool for each query, by the scores of what is embedded of both; see ``search.rank``."""
        (result,) = self._ranked(lambda relevant, excluded: [rank(scores, relevant, excluded, depth)])
        return result

    def _ranked(self, ranked: Callable[[Pairs, Pairs], list[SearchResult]]) -> list[SearchResult]:
        if not (len(self.lost_queries) or len(self.lost_candidates)):
            return ranked(self.relevant, self.excluded)
        return [
            self._of_all(own) for own in ranked(*(self._renumbered(pairs) for pairs in (self.relevant, self.excluded)))
        ]

    def _of_all(self, result: SearchResult) -> SearchResult:
        """Return a result of what is embedded as one of all queries and candidates."""
        shape = len(self.query_ids), result.candidates.shape[1]
        found, scores = np.full(shape, -1), np.full(shape, np.nan, dtype=np.float32)
        first = np.zeros(shape[0], dtype=np.int64)
        found[self.queries] = np.where(result.candidates < 0, -1, self.candidates[result.candidates])
        scores[self.queries], first[self.queries] = result.scores, result.first_relevant_rank
        return SearchResult(found, scores, np.where((first == 0) & (self.n_relevant > 0), NEVER, first))

    def _renumbered(self, pairs: Pairs) -> Pairs:
        kept = pairs[self._embedded(pairs)]
        places = np.searchsorted(self.queries, kept[:, 0]), np.searchsorted(self.candidates, kept[:, 1])
        return np.stack(places, axis=1)


class Judgements:
    """All retrieval tables of a data set."""

    def __init__(self, dataset: Path, limits: Limits | None = None) -> None:
        """Read the tables of a dataset artifact, as they hold for a model with limits."""
        self.tasks = read_table(dataset, "tasks").sort("task_id")
        searched = self.tasks.select("task_id", "pool_id", "candidate_modality", "candidate_prompt_id").iter_rows()
        self._searched = {task_id: told for task_id, *told in searched}
        self._unanswered = dict(self.tasks.select("task_id", "unanswered").iter_rows())
        self._limits = limits or Limits.none()
        self._queries = read_table(dataset, "queries")
        self._candidates = read_table(dataset, "candidates")
        self._exclusions = scan_table(dataset, "exclusions").with_columns(relevance=pl.lit(0, pl.Int64))
        # Where kinds of pictures share their texts there are far more judged pairs than anything else: names of them
        # all are never held at once, only the rows of a pool.
        self._qrels = scan_table(dataset, "qrels").filter(pl.col("relevance") >= 1)
        self._samples = read_table(dataset, "samples", ["sample_id", "group", "sha256", "modality"])

    def asks_in(self, task_id: str, split: str) -> bool:
        """Return whether a task has queries in a split."""
        return not self._queries.filter(task_id=task_id, split=split).is_empty()

    def pool(self, task_id: str, split: str) -> Pool:
        """Return the pool of a task in a split.

        Raises:
            DataError: there are no queries or no candidates.
        """
        task, here = pl.col("task_id") == task_id, pl.col("split") == split
        pool_id, modality, prompt_id = self._searched[task_id]
        queries = self._queries.filter(task, here).sort("query_id").with_row_index("query")
        pool = pl.col("pool_id") == pool_id
        candidates = self._candidates.filter(pool, here | pl.col("split").is_null()).sort("sample_id")
        candidates = candidates.with_row_index("candidate").join(
            self._samples.drop("sha256"), on="sample_id", how="left", maintain_order="left"
        )
        asked_for = {"candidate_modality": pl.lit(modality), "candidate_prompt_id": pl.lit(prompt_id)}
        candidates = candidates.with_columns(**asked_for).with_columns(prompt_id=CANDIDATE_PROMPT)
        mixed = candidates["prompt_id"].n_unique() > 1
        for rows, name in ((queries, "queries"), (candidates, "candidates")):
            if rows.is_empty():
                raise DataError(
                    f"task {task_id} has no {name} in the split {split}",
                    "judge some there, or draw the splits of more samples or by another seed",
                )
        queries, candidates = self._limits.marked(queries), self._limits.marked(candidates)
        if candidates["refused"].all():
            raise DataError(
                f"the model could embed no candidate of the task {task_id} in the split {split}",
                "see why in the table refused",
            )
        excluded, _ = _pairs(self._exclusions.filter(task), queries, candidates)
        judged = self._alike(*_pairs(self._qrels.filter(task), queries, candidates), queries, candidates)
        relevant, relevance = _without(*judged, excluded, len(candidates))
        answered, first = np.unique(relevant[:, 0], return_index=True)
        groups = np.full(len(queries), "", dtype=object)
        groups[answered] = candidates["group"].to_numpy()[relevant[first, 1]]
        return Pool(
            task_id,
            split,
            tuple(queries["query_id"]),
            tuple(queries["sample_id"]),
            tuple(queries["prompt_id"]),
            tuple(candidates["sample_id"]),
            relevant,
            relevance,
            excluded,
            tuple(groups.tolist()),
            self._unanswered[task_id] if split == "test" else 0,
            queries.filter("refused")["query"].to_numpy().astype(np.int64),
            candidates.filter("refused")["candidate"].to_numpy().astype(np.int64),
            tuple(candidates["prompt_id"]) if mixed else (),
        )

    def _alike(
        self, judged: Pairs, relevance: Rows, queries: pl.DataFrame, candidates: pl.DataFrame
    ) -> tuple[Pairs, Rows]:
        """Extend judgements to what the model cannot tell from what was judged, as it saw the same beginning of both.

        Equal content is judged equally in the data set already. Exclusions are not extended: they would leave queries
        without an answer, and models would not be compared on the same ones.
        """
        if self._limits.long.is_empty():
            return judged, relevance
        asking, found = self._classes(queries), self._classes(candidates)
        # One pair of classes stands for all pairs of their members, which are numbered in a row.
        n_found = int(found.max()) + 1
        numbers, which = np.unique(asking[judged[:, 0]] * n_found + found[judged[:, 1]], return_inverse=True)
        grades = np.zeros(len(numbers), dtype=np.int64)
        np.maximum.at(grades, which, relevance)
        (rows, first_row, n_rows), (columns, first_column, n_columns) = _members(asking), _members(found)
        sizes = n_rows[numbers // n_found] * n_columns[numbers % n_found]
        place = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        numbers = np.repeat(numbers, sizes)
        width = n_columns[numbers % n_found]
        query = rows[first_row[numbers // n_found] + place // width]
        candidate = columns[first_column[numbers % n_found] + place % width]
        return _ascending(np.stack([query, candidate], axis=1), np.repeat(grades, sizes), len(candidates))

    def _classes(self, marked: pl.DataFrame) -> Rows:
        """Return a number for each row: equal where the model was shown equal things.

        It was shown what was kept of a long text and the picture, else the sample.
        """
        picture = pl.col("sha256").fill_null("")
        kept = pl.concat_str("kept", "prompt_id", picture, separator=" ")  # NULL where nothing was kept
        shown = pl.coalesce(kept, pl.concat_str(pl.lit("sample "), "sample_id"))
        pictures = self._samples.select("sample_id", "sha256")
        told = marked.join(pictures, on="sample_id", how="left", maintain_order="left").select(shown).to_series()
        return (told.rank("dense").to_numpy() - 1).astype(np.int64)


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
    receiver = np.zeros(len(pool.query_ids), dtype=np.int64)
    receiver[donor] = order
    pairs = np.stack([receiver[pool.relevant[:, 0]], pool.relevant[:, 1]], axis=1)
    width = len(pool.candidate_ids)
    relevant, relevance = _ascending(*_without(pairs, pool.relevance, pool.excluded, width), width)
    return replace(pool, relevant=relevant, relevance=relevance)


def _pairs(named: pl.LazyFrame, queries: pl.DataFrame, candidates: pl.DataFrame) -> tuple[Pairs, Rows]:
    """Return the pairs of a pool among named ones, ascending, and their relevance; read by parts."""
    found = (
        named.join(queries.lazy().select("query", "query_id"), on="query_id")
        .join(candidates.lazy().select("candidate", "sample_id"), on="sample_id")
        .select("query", "candidate", "relevance")
        .collect(engine="streaming")
    )
    pairs = np.empty((len(found), 2), dtype=np.int64)
    pairs[:, 0], pairs[:, 1] = found["query"].to_numpy(), found["candidate"].to_numpy()
    return _ascending(pairs, found["relevance"].to_numpy().astype(np.int64), len(candidates))


def _ascending(pairs: Pairs, relevance: Rows, width: int) -> tuple[Pairs, Rows]:
    order = np.argsort(pairs[:, 0] * width + pairs[:, 1])
    return pairs[order], relevance[order]


def _without(pairs: Pairs, relevance: Rows, excluded: Pairs, width: int) -> tuple[Pairs, Rows]:
    """Leave out excluded pairs; there are ``width`` candidates."""
    kept = ~np.isin(pairs[:, 0] * width + pairs[:, 1], excluded[:, 0] * width + excluded[:, 1])
    return pairs[kept], relevance[kept]


def _members(classes: Rows) -> tuple[Rows, Rows, Rows]:
    """Return rows by class, and by class where they begin and how many they are."""
    sizes = np.bincount(classes)
    return np.argsort(classes, kind="stable"), np.cumsum(sizes) - sizes, sizes
