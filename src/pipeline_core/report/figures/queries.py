"""Queries whose answer moved most from raw embeddings to ReAligned ones, with what was found before and after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline_core.report.figures._kind import Drawing, Drawn, Figure
from pipeline_core.report.pictures import Pictures
from pipeline_core.report.recall import RAW
from pipeline_core.report.text import task_title


@dataclass(frozen=True)
class ShownSample:
    """A sample as the reader sees it; ``relevant`` marks right answers."""

    sample_id: str
    text: str | None
    image: str | None
    relevant: bool


@dataclass(frozen=True)
class MovedQuery:
    """A query, one relevant candidate, the first answers before and after, and the ranks of the first right one."""

    title: str
    query: ShownSample
    wanted: ShownSample
    before: Sequence[ShownSample]
    after: Sequence[ShownSample]
    rank_before: int
    rank_after: int


def _item(row: Mapping[str, Any], pictures: Pictures) -> ShownSample:
    image = pictures.uri(row["image_ref"]) if row["image_ref"] is not None else None
    return ShownSample(row["sample_id"], row["text"], image, row.get("relevant", False))


class Queries(Figure):
    """Three quarters of the queries shown rose, a quarter fell, where there are as many.

    A move is measured in doublings of the rank of the first relevant candidate.
    """

    name, place, section, fills = "queries", 130, "queries", True
    title = "Queries whose answer moved most"

    def draw(self, drawing: Drawing) -> Drawn | None:
        """Draw it; None where raw and ReAligned embeddings were not both scored."""
        task, shown = drawing.summary.headline, drawing.settings.queries_shown
        if task is None or task.realign is None or RAW not in task.scores:
            return None
        before, after = task.scores[RAW].system_id, task.realign.system_id
        moves = self.ask(drawing.facts, before=before, after=after)
        hits = self.ask(drawing.facts, "hits", before=before, after=after)
        relevant = self.ask(drawing.facts, "relevant")
        fell = moves.rows.filter(pl.col("gain") < 0).head(shown // 4)
        rose = moves.rows.filter(pl.col("gain") > 0).head(shown - fell.height)

        def items(rows: pl.DataFrame) -> list[ShownSample]:
            return [_item(row, drawing.pictures) for row in rows.iter_rows(named=True)]

        def shown_query(row: Mapping[str, Any]) -> MovedQuery:
            its = (pl.col("task_id") == row["task_id"]) & (pl.col("query_id") == row["query_id"])
            answers = hits.rows.filter(its)
            (wanted,) = items(relevant.rows.filter(its).with_columns(relevant=True))
            return MovedQuery(
                task_title(row["task_type"]),
                _item(row, drawing.pictures),
                wanted,
                items(answers.filter(system_id=before)),
                items(answers.filter(system_id=after)),
                row["rank_before"],
                row["rank_after"],
            )

        statement = (
            f"Test queries of {drawing.summary.model} by how often the rank of the first right answer halved or "
            f"doubled from raw embeddings to ReAlign: {rose.height} that rose and {fell.height} that fell. Right "
            "answers are framed and ticked."
        )
        moved = [shown_query(row) for rows in (rose, fell) for row in rows.iter_rows(named=True)]
        return Drawn(statement, "", moved, (moves, hits))


MEMBER = Queries()
