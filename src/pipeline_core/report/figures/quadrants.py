"""Attention by layer: whether it follows the art over the picture."""

import polars as pl

from pipeline_core.report import axes
from pipeline_core.report.chart import MARGIN, Charts, Level, Panel, PanelRow, draw, extent
from pipeline_core.report.figures._attention import PAPER_ITEM, SOURCES
from pipeline_core.report.figures._kind import Drawing, Drawn, Figure
from pipeline_core.report.figures._rows import models_in, present, series
from pipeline_core.report.text import percent, points, points_interval

_SOURCE_LINES = {"last": "line-realign", "pooled": "line-other"}


def _quadrant_panel(own: pl.DataFrame) -> Panel:
    by_layer = own.drop_nulls("layer").rename({"excess": "value"}, strict=True)
    lines = present(
        *(
            series(by_layer.filter(source=source), "layer", words, _SOURCE_LINES[source])
            for source, words in SOURCES.items()
        )
    )
    return draw(
        "Above the shuffled-picture control",
        f"points, {own['n_samples'][0]} samples",
        lines,
        axes.linear(by_layer["layer"].to_list(), "{:g}".format, "layer"),
        axes.linear(extent(lines), axes.signed_points, margin=MARGIN),
        points,
        [Level("no difference", "line-chance", 0.0)],
        labelled=True,
    )


def _conflict_panel(own: pl.DataFrame) -> Panel:
    """Draw art against words beside recall, by layer."""
    shares, recall = (
        own.with_columns(value=column, low=column, high=column).drop_nulls("value")
        for column in ("art_share", "hit_rate")
    )
    lines = present(
        *(
            series(shares.filter(source=source), "layer", words, _SOURCE_LINES[source])
            for source, words in SOURCES.items()
        ),
        series(recall.unique("layer"), "layer", "recall, raw", "line-raw"),
    )
    return draw(
        "Attention to the art, against words, beside recall",
        "share of the attention to art and words; mean hit rate",
        lines,
        axes.linear(own["layer"].to_list(), "{:g}".format, "layer"),
        axes.linear(extent(lines), percent, margin=MARGIN),
        percent,
        labelled=True,
    )


def _conflict_statement(own: pl.DataFrame) -> str:
    last = own.filter(pl.col("layer") == pl.col("layer").max()).drop_nulls("art_share")
    parts = []
    for row in last.iter_rows(named=True):
        beside = row["correlation"]
        over_layers = "" if beside is None else f" (rank correlation with recall over the layers {beside:.2f})"
        parts.append(f"{SOURCES[row['source']]} {percent(row['art_share'])}{over_layers}")
    return f" Of the last layer's attention to art and words, the art gets {'; '.join(parts)}." if parts else ""


def _quadrant_statement(model: str, own: pl.DataFrame) -> str:
    overall = {row["source"]: row for row in own.filter(pl.col("layer").is_null()).iter_rows(named=True)}
    parts = [
        f"{words} {percent(row['mass'])} against {percent(row['control'])} with shuffled pictures "
        f"({points_interval(row['low'], row['high'])} points)"
        for source, words in SOURCES.items()
        if (row := overall.get(source)) is not None
    ]
    return f"{model}, mean over the layers: the quadrant with the art gets {'; '.join(parts)}; chance is 25%."


class Quadrants(Figure):
    """Attention to art in a known quadrant."""

    name, place = "quadrants", 100
    title = "Does attention follow the art?"
    paper_item = PAPER_ITEM
    paper = (("Attention maps", "on art in a known quadrant"),)

    def draw(self, drawing: Drawing) -> Drawn | None:
        """Draw it; None where it was not measured."""
        answer, conflict = drawing.facts.ask("sweeps/quadrants"), drawing.facts.ask("sweeps/conflict")
        found = models_in(drawing.inputs, answer.rows)
        if not found:
            return None
        against = [conflict.rows.filter(model=model.name) for model, _ in found]
        return Drawn(
            " ".join(
                _quadrant_statement(model.name, own) + _conflict_statement(beside)
                for (model, own), beside in zip(found, against, strict=True)
            ),
            "Art pasted into one quadrant of a white picture: attention to the image tokens of that quadrant, minus "
            "the same under shuffled pictures, their art in each quadrant as often. Bands: 95% intervals over samples. "
            "Art against words is a quantity of our own: the paper names none that would show a conflict.",
            Charts(
                tuple(
                    PanelRow(model.name, (_quadrant_panel(own), _conflict_panel(beside)), large=True)
                    for (model, own), beside in zip(found, against, strict=True)
                )
            ),
            (answer, conflict),
        )


MEMBER = Quadrants()
