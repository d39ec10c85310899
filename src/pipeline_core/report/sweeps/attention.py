"""Attention by layer: to which tokens it goes, and whether it follows the art over the picture."""

import polars as pl

from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.sweeps import axes
from pipeline_core.report.sweeps.chart import MARGIN, Charts, Level, Panel, PanelRow, Point, Series, draw, extent
from pipeline_core.report.sweeps.figure import SweepFigure, models_in, present, series
from pipeline_core.report.text import percent, points, points_interval

PAPER_ITEM = "attention visualisation"

SOURCES = {"last": "from the last token", "pooled": "from all pooled tokens"}
_SOURCE_LINES = {"last": "line-realign", "pooled": "line-other"}

_ROLES = (
    ("image", "image", "line-image"),
    ("text", "text", "line-text"),
    ("prompt", "instruction", "line-prompt"),
    ("template", "template", "line-template"),
)
_MODALITIES = {"image": "Pictures", "text": "Texts", "image_text": "Pictures with texts"}


def mass_figure(inputs: ReportInputs, facts: Facts) -> SweepFigure | None:
    """Return the figure of attention mass by role; None where no attention was measured."""
    answer = facts.ask("sweeps/attention_mass")
    found = models_in(inputs, answer.rows)
    if not found:
        return None
    return SweepFigure(
        "figure-attention",
        PAPER_ITEM,
        "Where attention goes, layer by layer",
        " ".join(_mass_statement(model.name, own) for model, own in found),
        "Share of the attention of a layer, mean over heads and samples; the four shares sum to 100%.",
        Charts(tuple(PanelRow(model.name, tuple(_mass_panels(own))) for model, own in found)),
        (answer,),
    )


def quadrant_figure(inputs: ReportInputs, facts: Facts) -> SweepFigure | None:
    """Return the figure of attention to art in a known quadrant; None where it was not measured."""
    answer = facts.ask("sweeps/quadrants")
    found = models_in(inputs, answer.rows)
    if not found:
        return None
    return SweepFigure(
        "figure-quadrants",
        PAPER_ITEM,
        "Does attention follow the art?",
        " ".join(_quadrant_statement(model.name, own) for model, own in found),
        "Art pasted into one quadrant of a white picture: attention to the image tokens of that quadrant, minus the "
        "same under shuffled pictures, their art in each quadrant as often. Bands: 95% intervals over samples.",
        Charts(tuple(PanelRow(model.name, (_quadrant_panel(own),), large=True) for model, own in found)),
        (answer,),
    )


def _mass_panels(own: pl.DataFrame) -> list[Panel]:
    x = axes.linear(own["layer"].to_list(), "{:g}".format, "layer")
    found = []
    for modality, title in _MODALITIES.items():
        for source, words in SOURCES.items():
            of_source = own.filter(modality=modality, source=source)
            # A sample without a picture, or without a text, has no tokens of that role: no line at zero for them.
            rows = of_source.filter(pl.col("mass").max().over("role") > 0)
            if rows.height:
                lines = present(*(_mass_series(rows.filter(role=role), label, style) for role, label, style in _ROLES))
                found.append(draw(title, words, lines, x, axes.linear([0.0, 1.0], axes.percentages), percent))
    return found


def _mass_series(rows: pl.DataFrame, label: str, style: str) -> Series:
    places = rows.sort("layer").select("layer", "mass").rows()
    return Series(label, style, tuple(Point(layer, mass, mass, mass) for layer, mass in places))


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


def _mass_statement(model: str, own: pl.DataFrame) -> str:
    mean = own.filter(modality="image_text").group_by("source", "role").agg(pl.col("mass").mean())
    parts = []
    for source, words in SOURCES.items():
        masses = dict(mean.filter(source=source).select("role", "mass").iter_rows())
        shares = ", ".join(f"{label} {percent(masses[role], 0)}" for role, label, _ in _ROLES if role in masses)
        if shares:
            parts.append(f"{words} {shares}")
    return f"{model}, pictures with texts, mean over the layers: {'; '.join(parts)}." if parts else ""


def _quadrant_statement(model: str, own: pl.DataFrame) -> str:
    overall = {row["source"]: row for row in own.filter(pl.col("layer").is_null()).iter_rows(named=True)}
    parts = [
        f"{words} {percent(row['mass'])} against {percent(row['control'])} with shuffled pictures "
        f"({points_interval(row['low'], row['high'])} points)"
        for source, words in SOURCES.items()
        if (row := overall.get(source)) is not None
    ]
    return f"{model}, mean over the layers: the quadrant with the art gets {'; '.join(parts)}; chance is 25%."
