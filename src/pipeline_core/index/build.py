"""The index: every item that can be an answer, raw and ReAligned, in LanceDB; measured against exact search."""

import shutil
from pathlib import Path

import lancedb
import numpy as np
import polars as pl
import pyarrow as pa
from lancedb.index import HnswSq, IvfFlat

from pipeline_core.activations.vectors import Matrix, load_embeddings
from pipeline_core.dataset.pools import searched
from pipeline_core.errors import DataError
from pipeline_core.index.items import Items, asked_groups, find_items, support_queries
from pipeline_core.index.measure import measure_recall
from pipeline_core.index.search import DATABASE, QUERY_SIDE
from pipeline_core.index.settings import LEAST_INDEXED, IndexSettings
from pipeline_core.retrieval.adaptations.realign import RealignSettings, realign
from pipeline_core.retrieval.maps import Identity, Map, save_maps, unit
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.retrieval.spectrum import spectrum
from pipeline_core.schema.parquet import read_table, write_table


def build_index(
    activations: Path,
    dataset: Path,
    rep_id: str,
    settings: IndexSettings,
    scoring: ScoringSettings,
    paper: RealignSettings,
    folder: Path,
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

    Raises:
        DataError: a modality has fewer than two items, or one query alone in the support split; or no task has queries
            in test.
    """
    names = ("samples", "tasks", "candidates", "queries", "pairs")
    samples, tasks, candidates, queries, pairs = (read_table(dataset, name) for name in names)
    embeddings = load_embeddings(activations, rep_id)
    items = find_items(embeddings, samples, searched(tasks, candidates, samples), pairs)
    tasks = tasks.filter(pl.col("control") == "none").sort("task_id")
    sides: dict[str, Map] = {
        group: realign(spectrum(vectors), paper.beta, paper.eps)
        for group, vectors in support_queries(embeddings, queries, tasks).items()
    }
    save_maps(folder / QUERY_SIDE, sides)
    shutil.rmtree(folder / DATABASE, ignore_errors=True)
    database = lancedb.connect(str(folder / DATABASE))
    variants: dict[str, tuple[Matrix, dict[str, Map]]] = {
        "raw": (unit(items.vectors), dict.fromkeys(asked_groups(embeddings, tasks), Identity())),
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


def _realigned(items: Items, paper: RealignSettings) -> Matrix:
    stored = np.zeros_like(items.vectors)
    for rows in items.groups().values():
        candidates = items.vectors[rows]
        stored[rows] = realign(spectrum(candidates), paper.beta, paper.eps).apply(candidates)
    return stored


def _store(
    database: lancedb.DBConnection, variant: str, frame: pl.DataFrame, stored: Matrix, settings: IndexSettings
) -> tuple[lancedb.table.Table, str]:
    # One batched write: many small appends leave many small files.
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(stored.ravel()), stored.shape[1])
    table = database.create_table(variant, frame.to_arrow().append_column("vector", vectors))
    kind = "exact"
    if frame.height >= LEAST_INDEXED:
        kind = settings.kind
        kinds = {"hnsw_sq": HnswSq, "ivf_flat": IvfFlat}
        table.create_index("vector", config=kinds[kind](distance_type="cosine"))
        table.optimize()
    return table, kind
