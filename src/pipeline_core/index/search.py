"""Search of the index: the hits of raw embeddings and of ReAligned ones, side by side."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import lancedb
import polars as pl

from pipeline_core.activations.vectors import PLAIN_PROMPT, Matrix
from pipeline_core.errors import QueryError, StoreError, see_to_files
from pipeline_core.index.items import group_name
from pipeline_core.retrieval.maps import Identity, Map, load_maps

DATABASE = "lance"
QUERY_SIDE = "queries.safetensors"

PROBES, BREADTH, REFINE = 32, 200, 4
"""Partitions searched, breadth of the graph search, and how many times k hits are scored again exactly."""

_PROMPTS_A_SAMPLE = 3
"""Most prompts that one sample is stored under: a picture with its text."""

Target = Literal["image", "text", "any"]


@dataclass(frozen=True)
class Hit:
    """One answer: the sample, what it is, its text (a picture's: that of its pair), and the cosine with the query."""

    sample_id: str
    modality: str
    text: str | None
    score: float

    def __str__(self) -> str:
        return f"{self.score:.3f}  {self.text or self.sample_id} ({self.modality.replace('_', ' + ')})"


@dataclass(frozen=True)
class SearchResult:
    """Answers before and after ReAlign, best first; ``realign`` is None where it was not fitted to such questions."""

    raw: tuple[Hit, ...]
    realign: tuple[Hit, ...] | None


def search(index: Path, vector: Matrix, to: Target, k: int, group: str) -> SearchResult:
    """Search with one embedding.

    Args:
        index: folder of an index artifact.
        vector: raw embedding [d] of the query, by the model that the index was built from.
        to: modality of the answers; ``any`` finds pictures with texts, too.
        k: number of hits a variant, ties by sample id.
        group: modality and prompt of the query, which decide its side of ReAlign; dual encoders have no prompts.

    Raises:
        QueryError: the vector has another width than the index.
        StoreError: the index cannot be read.
    """
    sides = query_sides(index)
    if group not in sides:
        group = group_name(group.partition(":")[0], PLAIN_PROMPT)
    condition = None if to == "any" else f"modality = '{to}'"

    def answers(variant: str, side: Map) -> tuple[Hit, ...]:
        query = side.apply(vector[None])[0]
        return _hits(nearest(open_variant(index, variant), query, condition, k * _PROMPTS_A_SAMPLE), k)

    return SearchResult(answers("raw", Identity()), answers("realign", sides[group]) if group in sides else None)


def query_sides(index: Path) -> dict[str, Map]:
    """Return ReAlign's map of queries, by their modality and prompt."""
    return load_maps(index / QUERY_SIDE)


def open_variant(index: Path, variant: str) -> lancedb.table.Table:
    """Open one table of the index: ``raw``, embeddings at unit norm, or ``realign``, whitened and at unit norm.

    Raises:
        StoreError: it is missing or damaged.
    """
    with _readable(variant):
        return lancedb.connect(str(index / DATABASE)).open_table(variant)


def nearest(table: lancedb.table.Table, vector: Matrix, condition: str | None, k: int) -> pl.DataFrame:
    """Return the k nearest items to a vector [d] at unit norm, with ``score``, by (score descending, sample id).

    Raises:
        QueryError: the vector has another width than the table.
        StoreError: a file of the table is missing or damaged.
    """
    width = table.schema.field("vector").type.list_size
    if len(vector) != width:
        raise QueryError(
            f"the query has {len(vector)} dimensions and the index {width}", "embed it with the same model"
        )
    query = table.search(vector, vector_column_name="vector").distance_type("cosine").limit(k)
    query = query.nprobes(PROBES).ef(max(BREADTH, 2 * k)).refine_factor(REFINE)
    query = query.select(["sample_id", "prompt_id", "modality", "text", "_distance"])
    if condition is not None:
        query = query.where(condition)
    with _readable(table.name):
        found = pl.from_arrow(query.to_arrow())
    assert isinstance(found, pl.DataFrame)
    scored = found.with_columns(score=1.0 - pl.col("_distance")).drop("_distance")
    return scored.sort("score", "sample_id", "prompt_id", descending=[True, False, False])


@contextmanager
def _readable(variant: str) -> Iterator[None]:
    # LanceDB has no exceptions of its own: these are what it raises for files that are lost or cut.
    try:
        yield
    except (ValueError, OSError, RuntimeError) as error:
        see_to_files(error)
        reason = str(error).partition("\n")[0][:120]
        raise StoreError(
            f"the index's table {variant} cannot be read: {reason}", "run lens verify --repair, then lens run"
        ) from None


def _hits(found: pl.DataFrame, k: int) -> tuple[Hit, ...]:
    best = found.unique("sample_id", keep="first", maintain_order=True).head(k)
    return tuple(Hit(**row) for row in best.select("sample_id", "modality", "text", "score").iter_rows(named=True))
