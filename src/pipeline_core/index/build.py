"""The index: every item that can be an answer, raw and ReAligned, in LanceDB; measured against exact search."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from lancedb.index import HnswSq, IvfFlat

from pipeline_core.activations.spilled import Room
from pipeline_core.activations.vectors import Matrix, Rows, Selection, Vectors, load_embeddings
from pipeline_core.dataset.pools import searched
from pipeline_core.errors import DataError
from pipeline_core.index.items import Items, asked_groups, find_items, support_queries
from pipeline_core.index.measure import measure_recall
from pipeline_core.index.search import DATABASE, QUERY_SIDE
from pipeline_core.index.settings import LEAST_INDEXED, IndexSettings
from pipeline_core.retrieval.adaptations.realign import RealignSettings, realign
from pipeline_core.retrieval.maps import Identity, Map, Mapped, save_maps
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.retrieval.spectrum import BLOCK, spectrum
from pipeline_core.schema.parquet import read_table, write_table


def build_index(
    activations: Path,
    dataset: Path,
    rep_id: str,
    settings: IndexSettings,
    scoring: ScoringSettings,
    paper: RealignSettings,
    folder: Path,
    room: Room | None = None,
) -> None:
    """Write the database ``lance``, the queries' side of ReAlign, and the table ``index_recall``.

    ReAlign's candidate sets are all items of one modality and prompt; its query side is fitted on the support split's
    queries of one modality and prompt, and is saved so that what is new can be searched for. Questions of a kind that
    has no support queries are answered by raw embeddings alone.

    Args:
        activations: artifact with the embeddings.
        dataset: artifact with samples and tasks.
        rep_id: the representation that is indexed.
        settings: kind of index, queries of the check.
        scoring: cut-offs.
        paper: ReAlign's parameters.
        folder: where to write; what an interrupted build left of the database is replaced.
        room: what may be held of vectors; None: all of them. What LanceDB takes to build its index is beside it.

    Raises:
        DataError: a modality has fewer than two items, or one query alone in the support split; or no task has queries
            in test.
    """
    names = ("samples", "tasks", "candidates", "queries", "pairs")
    samples, tasks, candidates, queries, pairs = (read_table(dataset, name) for name in names)
    embeddings = load_embeddings(activations, rep_id, room)
    items = find_items(embeddings, samples, searched(tasks, candidates, samples), pairs)
    tasks = tasks.filter(pl.col("control") == "none").sort("task_id")
    sides: dict[str, Map] = {
        group: realign(spectrum(vectors), paper.beta, paper.eps)
        for group, vectors in support_queries(embeddings, queries, tasks).items()
    }
    save_maps(folder / QUERY_SIDE, sides)
    shutil.rmtree(folder / DATABASE, ignore_errors=True)
    database = lancedb.connect(str(folder / DATABASE))
    variants: dict[str, tuple[Vectors, dict[str, Map]]] = {
        "raw": (Mapped(items.vectors, Identity()), dict.fromkeys(asked_groups(embeddings, tasks), Identity())),
        "realign": (_realigned(items, paper), sides),
    }
    tested = embeddings.embedded(queries.filter(pl.col("split") == "test")).sort("task_id", "query_id")
    rows = []
    for variant, (stored, query_sides) in variants.items():
        table, kind = _store(database, variant, items.frame, stored, settings)
        asked = embeddings, tested, tasks
        measured = measure_recall(table, items, stored, query_sides, *asked, settings.queries, scoring.ks)
        rows += [{**row, "rep_id": embeddings.rep_id, "adaptation": variant, "kind": kind} for row in measured]
    if not rows:
        raise DataError(
            "no task has queries in the split test, on which the index is measured",
            "judge some there, or draw the splits of more samples or by another seed",
        )
    write_table(folder, "index_recall", pl.DataFrame(rows))


@dataclass(frozen=True)
class _Grouped:
    """Vectors [n, d] of which each is under the map of its group [n]; maps are applied to what is asked for."""

    vectors: Selection
    groups: Rows
    maps: Sequence[Map]

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, some: slice | Rows) -> Matrix:
        vectors, groups = self.vectors[some], self.groups[some]
        mapped = np.zeros_like(vectors)
        for group in np.unique(groups):
            own = groups == group
            mapped[own] = self.maps[group].apply(vectors[own])
        return mapped

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self[:].astype(dtype or np.float32, copy=False)


def _realigned(items: Items, paper: RealignSettings) -> _Grouped:
    numbers, maps = np.empty(len(items.vectors), dtype=np.int64), []
    for number, rows in enumerate(items.groups().values()):
        numbers[rows] = number
        candidates = Selection(items.vectors.vectors, items.vectors.rows[rows])
        maps.append(realign(spectrum(candidates), paper.beta, paper.eps))
    return _Grouped(items.vectors, numbers, maps)


def _store(
    database: lancedb.DBConnection, variant: str, frame: pl.DataFrame, stored: Vectors, settings: IndexSettings
) -> tuple[lancedb.table.Table, str]:
    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, len(stored), BLOCK):
            block = stored[start : start + BLOCK]
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(block.ravel()), block.shape[1])
            yield from frame[start : start + BLOCK].to_arrow().append_column("vector", vectors).to_batches()

    first = next(batches())
    # One write: many small appends leave many small files.
    table = database.create_table(variant, batches(), schema=first.schema)
    kind = "exact"
    if frame.height >= LEAST_INDEXED:
        kind = settings.kind
        kinds = {"hnsw_sq": HnswSq, "ivf_flat": IvfFlat}
        table.create_index("vector", config=kinds[kind](distance_type="cosine"))
        table.optimize()
    return table, kind
