"""Figure 6: recall by ReAlign's shrinkage, beside everything else that needs no labels."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from pipeline_core.report import axes
from pipeline_core.report.chart import MARGIN, Charts, Level, Panel, PanelRow, draw, extent
from pipeline_core.report.figures._kind import Drawing, Drawn, Figure
from pipeline_core.report.figures._rows import Facet, facets, models_in, present, series
from pipeline_core.report.text import percent

_LINES = (
    ("text", "candidates", "ReAlign, candidates", "line-realign"),
    ("text", "support", "ReAlign, support", "line-support"),
    ("text", "joint", "ReAlign, joint", "line-joint"),
    ("code", "test_queries", "ReAlign as released", "line-code"),
)
_FLAT = (0.1, 0.6)
"""Where the paper finds recall flat in beta."""


def _panel(facet: Facet, rivals: pl.DataFrame) -> Panel:
    lines = present(
        *(
            series(facet.rows.filter(variant=variant, fit_on=fit_on), "beta", label, style, "dotted line")
            for variant, fit_on, label, style in _LINES
        )
    )
    levels = [Level("chance", "line-chance", facet.rows["chance"][0])]
    if facet.task_id is None:
        best = rivals.unique("adaptation", keep="first", maintain_order=True)
        levels += [_level(row) for row in best.iter_rows(named=True)]
    return draw(
        facet.title,
        facet.note,
        lines,
        axes.linear(facet.rows["beta"].to_list(), "{:g}".format, "β"),
        axes.linear(extent(lines, levels), axes.percentages, margin=MARGIN),
        percent,
        levels,
    )


def _level(row: Mapping[str, Any]) -> Level:
    """Draw the mean removed across the panel: it is what ReAlign adds to."""
    across = row["colour"] == "centred"
    return Level(row["label"], "line-centred" if across else "line-rival", row["value"], across)


def _statement(model: str, own: pl.DataFrame) -> str:
    mean = own.filter(pl.col("task_id").is_null(), variant="text", fit_on="candidates").sort("beta")
    flat = mean.filter(pl.col("beta").is_between(*_FLAT))
    if mean.is_empty() or flat.is_empty():
        return ""
    (best, top), (first, start), (last, end) = (
        rows.select("beta", "value").row(0)
        for rows in (mean.sort("value", descending=True), mean.head(1), mean.tail(1))
    )
    values = flat["value"].to_list()
    width = max(values) - min(values)
    return (
        f"{model}, candidates' statistics: {percent(start)} at β {first:g}, {percent(top)} at {best:g}, the highest on "
        f"test, {percent(end)} at {last:g}; over {_FLAT[0]:g} to {_FLAT[1]:g} it varies by {100 * width:.1f} points."
    )


class Beta(Figure):
    """Recall by ReAlign's shrinkage."""

    name, place = "beta", 60
    title = "Recall by shrinkage"
    paper_item = "Figure 6 and Table 8"
    paper = (("Figure 6", "recall by beta"), ("Table 8", "by beta"))

    def draw(self, drawing: Drawing) -> Drawn | None:
        """Draw it; None where no shrinkages were swept."""
        answer, rivals = drawing.facts.ask("sweeps/betas"), self.ask(drawing.facts, "rivals")
        rows: list[PanelRow] = []
        statements = []
        for model, own in models_in(drawing.inputs, answer.rows):
            beside = rivals.rows.filter(model=model.name)
            first, *tasks = (_panel(facet, beside) for facet in facets(own))
            rows += [PanelRow(model.name, (first,), large=True), PanelRow("Task by task", tuple(tasks), folded=True)]
            statements.append(_statement(model.name, own))
        if not rows:
            return None
        return Drawn(
            " ".join(statement for statement in statements if statement),
            "ReAlign by β, on statistics of the candidate set, of the support split, or of both sides together; “as "
            "released” is the authors' code, which normalises first, so that β hardly matters, and takes the queries' "
            "statistics from the test queries. Bands: range over the repetitions. At the side: everything else that "
            "needs no labels, on the candidates' statistics unless joint, the best of each kind; a table has all.",
            Charts(tuple(rows)),
            (answer, rivals),
        )


MEMBER = Beta()
