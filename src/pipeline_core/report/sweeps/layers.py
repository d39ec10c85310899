"""Figure 5: recall by layer, raw, with the mean removed, and ReAligned."""

import polars as pl

from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.sweeps import axes
from pipeline_core.report.sweeps.chart import MARGIN, Charts, Level, Panel, PanelRow, draw, extent
from pipeline_core.report.sweeps.figure import Facet, SweepFigure, facets, fitted_on, models_in, present, series
from pipeline_core.report.text import percent

_LINES = (
    ("identity", None, "raw", "line-raw"),
    ("mean_removal", "support", "mean removed, support", "line-mean"),
    ("realign", "candidates", "ReAlign", "line-realign"),
    ("realign", "support", "ReAlign, support", "line-support"),
)


def layer_figure(inputs: ReportInputs, facts: Facts) -> SweepFigure | None:
    """Return the figure; None where no layers were swept."""
    answer, raw = facts.ask("sweeps/layers"), facts.ask("sweeps/raw_levels")
    others = raw.rows.filter(pl.col("model").is_in([m.name for m in inputs.models if m.kind == "contrastive"]))
    rows: list[PanelRow] = []
    statements = []
    for model, own in models_in(inputs, answer.rows):
        first, *tasks = (_panel(facet, others) for facet in facets(own))
        rows += [PanelRow(model.name, (first,), large=True), PanelRow("Task by task", tuple(tasks))]
        statements.append(_statement(model.name, own.filter(pl.col("task_id").is_null())))
    if not rows:
        return None
    return SweepFigure(
        "figure-layers",
        "Figure 5",
        "Recall by layer",
        " ".join(statements),
        "Mean over the tokens of each layer; 0 is the embedding layer, the last is after the final norm. ReAlign: "
        "candidates whitened by their own set, queries by the support split; “support”: by it alone. Bands: range over "
        "the repetitions. Each panel has its own scale; levels above it (↑) are written only.",
        Charts(tuple(rows)),
        (answer, raw),
    )


def _panel(facet: Facet, others: pl.DataFrame) -> Panel:
    lines = present(
        *(
            series(facet.rows.filter(fitted_on(fit_on), adaptation=adaptation), "layer", label, style)
            for adaptation, fit_on, label, style in _LINES
        )
    )
    same_task = others.filter(pl.col("task_id").eq_missing(pl.lit(facet.task_id, pl.String)))
    levels = [Level(f"{row['model']}, raw", "line-other", row["value"]) for row in same_task.iter_rows(named=True)]
    levels.append(Level("chance", "line-chance", facet.rows["chance"][0]))
    return draw(
        facet.title,
        facet.note,
        lines,
        axes.linear(facet.rows["layer"].to_list(), "{:g}".format, "layer"),
        axes.linear(extent(lines, levels), axes.percentages, margin=MARGIN),
        percent,
        levels,
        labelled=facet.task_id is None,
    )


def _statement(model: str, mean: pl.DataFrame) -> str:
    found = []
    for adaptation, fit_on, label, _ in (_LINES[0], _LINES[2]):
        rows = mean.filter(fitted_on(fit_on), adaptation=adaptation).sort("layer").select("layer", "value").rows()
        if rows:
            (last, at_last), (best, highest) = rows[-1], max(rows, key=lambda row: (row[1], row[0]))
            beside = "the last" if best == last else f"against {percent(at_last)} at the last, {last}"
            found.append(f"{label} at {best} ({percent(highest)}; {beside})")
    return f"The layer of {model} that is highest on test, mean over the tasks: {', '.join(found)}."
