"""Figure 4 and Table 5: recall by pooling and by which tokens are pooled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline_core.report.figures._kind import Drawing, Drawn, Figure
from pipeline_core.report.figures._rows import Method, facets, methods, models_in
from pipeline_core.report.recall import Score, realigned
from pipeline_core.report.text import percent

POOLINGS = ("mean", "last", "max", "min")
MASKS = {"all": "all tokens", "no_image": "no image", "no_prompt": "no instruction", "content": "content only"}


@dataclass(frozen=True)
class GridCell:
    """Mean hit rate over the tasks with its range over the repetitions; ``shade`` is its share of the grid's best."""

    value: float
    low: float
    high: float
    shade: float
    best: bool


@dataclass(frozen=True)
class Grid:
    """Poolings (rows, by name) by masks (columns); a cell that was not swept is None."""

    title: str
    masks: tuple[str, ...]
    rows: Mapping[str, tuple[GridCell | None, ...]]


@dataclass(frozen=True)
class MaskDots:
    """One composed task under mean pooling: a row a mask and adaptation, (label, kind, score)."""

    title: str
    note: str
    chance: float
    rows: tuple[tuple[str, str, Score], ...]


@dataclass(frozen=True)
class PoolingViews:
    """One model's grids and dots; axes end at ``scale``, a share."""

    model: str
    grids: tuple[Grid, ...]
    dots: tuple[MaskDots, ...]
    scale: float


def _views(model: str, own: pl.DataFrame) -> PoolingViews:
    mean = own.filter(pl.col("task_id").is_null() & pl.col("composed").is_null())
    composed = own.filter((pl.col("pooling") == "mean") & pl.col("composed"))
    dots = tuple(
        MaskDots(facet.title, facet.note, facet.rows["chance"][0], tuple(_dots(facet.rows)))
        for facet in facets(composed)
        if facet.task_id is not None
    )
    highest = max((score.high for task in dots for *_, score in task.rows), default=1.0)
    return PoolingViews(model, tuple(_grid(method) for method in methods(mean)), dots, max(highest, 1e-9))


def _grid(method: Method) -> Grid:
    rows = {(row["pooling"], row["mask"]): row for row in method.rows.iter_rows(named=True)}
    best = max((row["value"] for row in rows.values()), default=0.0)

    def cell(pooling: str, mask: str) -> GridCell | None:
        row = rows.get((pooling, mask))
        if row is None:
            return None
        value = row["value"]
        return GridCell(value, row["low"], row["high"], value / best if best else 0.0, value == best)

    columns = tuple(MASKS.values())
    return Grid(method.label, columns, {pooling: tuple(cell(pooling, mask) for mask in MASKS) for pooling in POOLINGS})


def _dots(rows: pl.DataFrame) -> list[tuple[str, str, Score]]:
    return [
        (f"{words}, {method.label}", method.colour, _score(row))
        for mask, words in MASKS.items()
        for method in methods(rows.filter(mask=mask))
        for row in method.rows.iter_rows(named=True)
    ]


def _score(row: Mapping[str, Any]) -> Score:
    return Score(row["model"], row["value"], row["interval_low"], row["interval_high"])


def _statement(model: str, own: pl.DataFrame) -> str:
    parts = []
    overall = own.filter(pl.col("task_id").is_null() & pl.col("composed").is_null())
    composed = own.filter(pl.col("task_id").is_null() & pl.col("composed"), pooling="mean")
    of_composed = {method.label: method.rows for method in methods(composed)}
    for method in methods(overall):
        plain = method.rows.filter(mask="all").sort("value", "pooling", descending=[True, False])
        masks = dict(of_composed.get(method.label, composed.clear()).select("mask", "value").iter_rows())
        if plain.height:
            ranking = ", ".join(f"{pooling} {percent(value)}" for pooling, value in plain["pooling", "value"].rows())
            parts.append(f"{method.label}, all tokens: {ranking}.")
        if masks.keys() >= {"all", "no_image", "no_prompt"}:
            parts.append(
                f"On composed tasks {percent(masks['all'])} become {percent(masks['no_image'])} without image tokens "
                f"and {percent(masks['no_prompt'])} without the instruction."
            )
    return f"{model}: {' '.join(parts)}"


class Poolings(Figure):
    """Recall by pooling and mask."""

    name, place = "poolings", 40
    title = "Poolings and masks"
    paper_item = "Figure 4 and Table 5"
    paper = (("Figure 4", "masks by pooling, and on composed queries"), ("Table 5", "grid of poolings and masks"))
    template = "poolings"

    def draw(self, drawing: Drawing) -> Drawn | None:
        """Draw it; None where no poolings were swept."""
        answer = drawing.facts.ask("sweeps/poolings")
        found = models_in(drawing.inputs, answer.rows)
        if not found:
            return None
        reading = ", ReAlign by the candidates' statistics" if realigned(answer.rows) else ""
        return Drawn(
            " ".join(_statement(model.name, own) for model, own in found),
            f"At the analysis layer{reading}. Grids: mean hit rate over the tasks, the "
            "highest on test in bold, with the range over the repetitions where there are several; content only leaves "
            "out instruction and template. Dots: composed queries, mean pooling; lines are 95% intervals, dotted "
            "lines chance.",
            tuple(_views(model.name, own) for model, own in found),
            (answer,),
        )


MEMBER = Poolings()
