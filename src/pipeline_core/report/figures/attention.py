"""Attention by layer: to which tokens it goes."""

import polars as pl

from pipeline_core.report import axes
from pipeline_core.report.chart import Charts, Panel, PanelRow, Point, Series, draw
from pipeline_core.report.figures._attention import PAPER_ITEM, SOURCES
from pipeline_core.report.figures._kind import Drawing, Drawn, Figure
from pipeline_core.report.figures._rows import models_in, present
from pipeline_core.report.text import percent

_ROLES = (
    ("image", "image", "line-image"),
    ("text", "text", "line-text"),
    ("prompt", "instruction", "line-prompt"),
    ("template", "template", "line-template"),
)
_MODALITIES = {"image": "Pictures", "text": "Texts", "image_text": "Pictures with texts"}


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


def _mass_statement(model: str, own: pl.DataFrame) -> str:
    mean = own.filter(modality="image_text").group_by("source", "role").agg(pl.col("mass").mean())
    parts = []
    for source, words in SOURCES.items():
        masses = dict(mean.filter(source=source).select("role", "mass").iter_rows())
        shares = ", ".join(f"{label} {percent(masses[role], 0)}" for role, label, _ in _ROLES if role in masses)
        if shares:
            parts.append(f"{words} {shares}")
    return f"{model}, pictures with texts, mean over the layers: {'; '.join(parts)}." if parts else ""


class Attention(Figure):
    """Shares of attention by layer."""

    name, place = "attention", 90
    title = "Where attention goes, layer by layer"
    paper_item = PAPER_ITEM
    paper = (("Attention maps", "mass by layer"),)

    def draw(self, drawing: Drawing) -> Drawn | None:
        """Draw it; None where no attention was measured."""
        answer = drawing.facts.ask("sweeps/attention_mass")
        found = models_in(drawing.inputs, answer.rows)
        if not found:
            return None
        return Drawn(
            " ".join(_mass_statement(model.name, own) for model, own in found),
            "Share of the attention of a layer, mean over heads and samples; the four shares sum to 100%.",
            Charts(tuple(PanelRow(model.name, tuple(_mass_panels(own))) for model, own in found)),
            (answer,),
        )


MEMBER = Attention()
