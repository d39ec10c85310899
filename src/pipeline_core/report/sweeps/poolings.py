"""Figure 4 and Table 5: recall by pooling and by which tokens are pooled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.recall import Score
from pipeline_core.report.sweeps.figure import SweepFigure, facets, models_in
from pipeline_core.report.text import percent

POOLINGS = ("mean", "last", "max", "min")
MASKS = {"all": "all tokens", "no_image": "no image", "no_prompt": "no instruction", "content": "content only"}
ADAPTATIONS = {
    "identity": ("raw", "raw"),
    "mean_removal": ("mean removed, support", "centred"),
    "realign": ("ReAlign", "realign"),
}
"""What is done to the embeddings: its name and class of bar."""


@dataclass(frozen=True)
class Cell:
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
    rows: Mapping[str, tuple[Cell | None, ...]]


@dataclass(frozen=True)
class MaskBars:
    """One composed task under mean pooling: a bar a mask and adaptation, (label, kind, score)."""

    title: str
    note: str
    chance: float
    bars: tuple[tuple[str, str, Score], ...]


@dataclass(frozen=True)
class PoolingViews:
    """One model's grids and bars; bars end at ``scale``, a share."""

    model: str
    grids: tuple[Grid, ...]
    bars: tuple[MaskBars, ...]
    scale: float


def pooling_figure(inputs: ReportInputs, facts: Facts) -> SweepFigure | None:
    """Return the figure; None where no poolings were swept."""
    answer = facts.ask("sweeps/poolings")
    found = models_in(inputs, answer.rows)
    if not found:
        return None
    return SweepFigure(
        "figure-poolings",
        "Figure 4 and Table 5",
        "Poolings and masks",
        " ".join(_statement(model.name, own) for model, own in found),
        "At the analysis layer, ReAlign by the candidates' statistics. Grids: mean hit rate over the tasks, the "
        "highest on test in bold, with the range over the repetitions where there are several; content only leaves out "
        "instruction and template. Bars: composed queries, mean pooling; thin lines are 95% intervals, dotted lines "
        "chance.",
        tuple(_views(model.name, own) for model, own in found),
        (answer,),
        "poolings",
    )


def _views(model: str, own: pl.DataFrame) -> PoolingViews:
    mean = own.filter(pl.col("task_id").is_null() & pl.col("composed").is_null())
    composed = own.filter((pl.col("pooling") == "mean") & pl.col("composed"))
    bars = tuple(
        MaskBars(facet.title, facet.note, facet.rows["chance"][0], tuple(_bars(facet.rows)))
        for facet in facets(composed)
        if facet.task_id is not None
    )
    highest = max((score.high for task in bars for *_, score in task.bars), default=1.0)
    return PoolingViews(
        model,
        tuple(_grid(mean, adaptation, title) for adaptation, (title, _) in ADAPTATIONS.items()),
        bars,
        max(highest, 1e-9),
    )


def _grid(mean: pl.DataFrame, adaptation: str, title: str) -> Grid:
    own = mean.filter(adaptation=adaptation)
    rows = {(row["pooling"], row["mask"]): row for row in own.iter_rows(named=True)}
    best = max((row["value"] for row in rows.values()), default=0.0)

    def cell(pooling: str, mask: str) -> Cell | None:
        row = rows.get((pooling, mask))
        if row is None:
            return None
        value = row["value"]
        return Cell(value, row["low"], row["high"], value / best if best else 0.0, value == best)

    columns = tuple(MASKS.values())
    return Grid(title, columns, {pooling: tuple(cell(pooling, mask) for mask in MASKS) for pooling in POOLINGS})


def _bars(rows: pl.DataFrame) -> list[tuple[str, str, Score]]:
    found = {(row["mask"], row["adaptation"]): row for row in rows.iter_rows(named=True)}
    return [
        (f"{words}, {title}", kind, _score(found[mask, adaptation]))
        for mask, words in MASKS.items()
        for adaptation, (title, kind) in ADAPTATIONS.items()
        if (mask, adaptation) in found
    ]


def _score(row: Mapping[str, Any]) -> Score:
    return Score(row["model"], row["value"], row["interval_low"], row["interval_high"])


def _statement(model: str, own: pl.DataFrame) -> str:
    parts = []
    overall = own.filter(pl.col("task_id").is_null() & pl.col("composed").is_null())
    composed = own.filter(pl.col("task_id").is_null() & pl.col("composed"), pooling="mean")
    for adaptation, (title, _) in ADAPTATIONS.items():
        plain = overall.filter(adaptation=adaptation, mask="all").sort("value", "pooling", descending=[True, False])
        masks = dict(composed.filter(adaptation=adaptation).select("mask", "value").iter_rows())
        if plain.height:
            ranking = ", ".join(f"{pooling} {percent(value)}" for pooling, value in plain["pooling", "value"].rows())
            parts.append(f"{title}, all tokens: {ranking}.")
        if masks.keys() >= {"all", "no_image", "no_prompt"}:
            parts.append(
                f"On composed tasks {percent(masks['all'])} become {percent(masks['no_image'])} without image tokens "
                f"and {percent(masks['no_prompt'])} without the instruction."
            )
    return f"{model}: {' '.join(parts)}"
