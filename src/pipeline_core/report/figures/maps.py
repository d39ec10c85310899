"""Attention over pictures: heat maps of the image tokens beside the picture that the model was shown."""

from dataclasses import dataclass

import polars as pl

from pipeline_core.attention.maps import heat_overlay
from pipeline_core.report.figures._attention import PAPER_ITEM, SOURCES
from pipeline_core.report.figures._kind import Drawing, Drawn, Figure
from pipeline_core.report.figures._rows import models_in
from pipeline_core.report.pictures import Pictures, data_uri
from pipeline_core.report.text import percent

VIEWS = {
    ("last", "all"): "from the last token",
    ("last", "last third"): "from the last token, last third of the layers",
    ("pooled", "all"): "from all pooled tokens",
}
"""The maps of a sample, by whose attention it is and over which layers."""

LARGEST = 176
"""Longer side of a map, pixels: shown at half of it."""


@dataclass(frozen=True)
class Overlay:
    """A picture under one heat map: whose attention it is, in which layers, and its share that goes to the picture."""

    view: str
    image: str
    mass: float


@dataclass(frozen=True)
class HeatMap:
    """A sample: its words, its picture, and a map for each of the ``VIEWS``."""

    sample_id: str
    text: str | None
    image: str
    overlays: tuple[Overlay, ...]


@dataclass(frozen=True)
class ModelMaps:
    """One model's maps."""

    model: str
    maps: tuple[HeatMap, ...]


def _maps(own: pl.DataFrame, pictures: Pictures) -> list[HeatMap]:
    found = []
    for (sample_id,), rows in own.group_by(["sample_id"], maintain_order=True):
        first = rows.row(0, named=True)
        picture = pictures.open(first["image_ref"], LARGEST)
        by_view = {(row["source"], row["layers"]): row for row in rows.iter_rows(named=True)}
        overlays = tuple(
            Overlay(
                words,
                data_uri(heat_overlay(picture, row["weights"], row["grid_h"], row["grid_w"], tuple(row["region"]))),
                row["mass"],
            )
            for view, words in VIEWS.items()
            if (row := by_view.get(view)) is not None
        )
        found.append(HeatMap(str(sample_id), first["text"], data_uri(picture), overlays))
    return found


def _statement(model: str, own: pl.DataFrame) -> str:
    n = own["sample_id"].n_unique()
    means = dict(own.filter(layers="all").group_by("source").agg(pl.col("mass").mean()).iter_rows())
    shares = ", ".join(f"{percent(means[source])} {words}" for source, words in SOURCES.items() if source in means)
    return f"{model}: of the attention in these {n} samples, {shares} goes to the picture."


class Maps(Figure):
    """Heat maps over the pictures that a model was shown."""

    name, place = "maps", 110
    title = "Attention over the picture"
    paper_item = PAPER_ITEM
    paper = (("Attention maps", "maps over pictures"),)

    def draw(self, drawing: Drawing) -> Drawn | None:
        """Draw it; None where a model has no maps."""
        answer = self.ask(drawing.facts, n_samples=drawing.settings.maps_shown)
        found = models_in(drawing.inputs, answer.rows)
        if not found:
            return None
        return Drawn(
            " ".join(_statement(model.name, own) for model, own in found),
            "Attention to each image token, mean over layers and heads: the darker, the more, each map to its own "
            "maximum. Under a map: the share of all attention that goes to the picture.",
            tuple(ModelMaps(model.name, tuple(_maps(own, drawing.pictures))) for model, own in found),
            (answer,),
        )


MEMBER = Maps()
