"""Queries whose answer moved most from raw embeddings to ReAligned ones, with what was found before and after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline_core.report.facts import Answer, Facts
from pipeline_core.report.pictures import Pictures
from pipeline_core.report.text import task_title


@dataclass(frozen=True)
class Item:
    """A sample as the reader sees it; ``relevant`` marks right answers."""

    sample_id: str
    text: str | None
    image: str | None
    relevant: bool


@dataclass(frozen=True)
class MovedQuery:
    """A query, one relevant candidate, the first answers before and after, and the ranks of the first right one."""

    title: str
    query: Item
    wanted: Item
    before: Sequence[Item]
    after: Sequence[Item]
    rank_before: int
    rank_after: int


@dataclass(frozen=True)
class MovedQueries:
    """Queries that rose and queries that fell, and the SQL that found them."""

    rose: Sequence[MovedQuery]
    fell: Sequence[MovedQuery]
    answers: Sequence[Answer]


def moved_queries(facts: Facts, before: str, after: str, shown: int, pictures: Pictures) -> MovedQueries:
    """Return the ``shown`` queries that moved most: three quarters that rose, a quarter that fell, where there are.

    A move is measured in doublings of the rank of the first relevant candidate.

    Args:
        facts: the tables.
        before: system id of the raw embeddings.
        after: system id of the adapted ones.
        shown: number of queries.
        pictures: opens pictures.
    """
    moves = facts.ask("moved_queries", before=before, after=after)
    hits = facts.ask("hits_of_queries", before=before, after=after)
    relevant = facts.ask("relevant_samples")
    fell = moves.rows.filter(pl.col("gain") < 0).head(shown // 4)
    rose = moves.rows.filter(pl.col("gain") > 0).head(shown - fell.height)

    def items(rows: pl.DataFrame) -> list[Item]:
        return [_item(row, pictures) for row in rows.iter_rows(named=True)]

    def shown_query(row: Mapping[str, Any]) -> MovedQuery:
        its = (pl.col("task_id") == row["task_id"]) & (pl.col("query_id") == row["query_id"])
        answers = hits.rows.filter(its)
        (wanted,) = items(relevant.rows.filter(its).with_columns(relevant=True))
        return MovedQuery(
            task_title(row["task_type"]),
            _item(row, pictures),
            wanted,
            items(answers.filter(pl.col("system_id") == before)),
            items(answers.filter(pl.col("system_id") == after)),
            row["rank_before"],
            row["rank_after"],
        )

    return MovedQueries(
        [shown_query(row) for row in rose.iter_rows(named=True)],
        [shown_query(row) for row in fell.iter_rows(named=True)],
        (moves, hits),
    )


def _item(row: Mapping[str, Any], pictures: Pictures) -> Item:
    image = pictures.uri(row["image_ref"]) if row["image_ref"] is not None else None
    return Item(row["sample_id"], row["text"], image, row.get("relevant", False))
