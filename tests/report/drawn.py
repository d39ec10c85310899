"""Figures of the sweeps as they are drawn, and what the artifacts hold of them."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from pipeline_core.report.build import Shown, _environment
from pipeline_core.report.chart import Charts, Panel
from pipeline_core.report.facts import Facts
from pipeline_core.report.figures import SWEEPS, Drawing, in_order
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.pictures import Pictures
from pipeline_core.report.settings import ReportSettings
from pipeline_core.report.summary import summary_of
from pipeline_core.report.verdicts import Verdicts
from tests.report.sweep_artifacts import SCORED
from tests.report.world import RunWorld

ANCHORS = ("poolings", "masks", "layers", "beta", "removal", "cost", "attention", "quadrants", "maps")
"""Figures of the sweeps, in order."""


def figures_of(inputs: ReportInputs, settings: ReportSettings | None = None) -> dict[str, Shown]:
    with Facts(inputs) as facts, Pictures(inputs.dataset) as pictures:
        summary = summary_of(inputs, facts, Verdicts(()))
        drawing = Drawing(inputs, facts, settings or ReportSettings(), pictures, summary)
        found = [(figure, figure.draw(drawing)) for figure in in_order() if figure.section == SWEEPS]
    return {figure.name: Shown(figure, drawn) for figure, drawn in found if drawn is not None}


def panels_of(figure: Shown) -> list[Panel]:
    assert isinstance(figure.drawn.content, Charts)
    return [panel for row in figure.drawn.content.rows for panel in row.panels]


def charted(figures: dict[str, Shown]) -> list[Panel]:
    return [
        panel for figure in figures.values() if isinstance(figure.drawn.content, Charts) for panel in panels_of(figure)
    ]


def render(*figures: Shown) -> str:
    page = (
        _environment().from_string('{% import "figures.html" as f %}{{ f.figures(figures) }}').render(figures=figures)
    )
    assert isinstance(page, str)
    return page


def table(folder: Path | None, name: str) -> pl.DataFrame:
    assert folder is not None
    return pl.read_parquet(folder / f"{name}.parquet")


def mean_hit(run: RunWorld, study: str, tasks: Sequence[str] = SCORED, **system: object) -> dict[str, float]:
    """Mean hit rate over tasks and repetitions by system, straight from the artifacts' files."""
    found = []
    for models in (run.models, *run.repetitions):
        systems = table(models[0].grid, "systems").filter(study=study, **system)
        metrics = table(models[0].grid, "retrieval_metrics").filter(split="test", metric="hit_rate", k=5)
        metrics = metrics.filter(pl.col("task_id").is_in(tasks))
        found.append(metrics.join(systems, on="system_id", how="semi"))
    means = pl.concat(found).group_by("system_id").agg(pl.col("value").mean())
    return dict(means.iter_rows())
