"""Figure 5: recall by layer, raw, with the mean removed, and ReAligned."""

import polars as pl

from pipeline_core.report import axes
from pipeline_core.report.chart import MARGIN, Charts, Level, Panel, PanelRow, draw, extent
from pipeline_core.report.figures._kind import Drawing, Drawn, Figure
from pipeline_core.report.figures._rows import Facet, Method, facets, fitted_on, methods, models_in, present, series
from pipeline_core.report.recall import realigned
from pipeline_core.report.text import percent

_TOLD = (("identity", None), ("realign", "candidates"))
"""What the statement tells: adaptation, and what it was fitted on."""

_READING = "ReAlign: candidates whitened by their own set, queries by the support split; “support”: by it alone. "


def _panel(facet: Facet, others: pl.DataFrame) -> Panel:
    lines = present(*(series(method.rows, "layer", method.label, _style(method)) for method in methods(facet.rows)))
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


def _style(method: Method) -> str:
    """Draw ReAlign on support statistics apart from ReAlign on others."""
    on_support = method.colour == "realign" and method.rows["fit_on"][0] == "support"
    return "line-support" if on_support else f"line-{method.colour}"


def _statement(model: str, mean: pl.DataFrame) -> str:
    found = []
    for adaptation, fit_on in _TOLD:
        own = mean.filter(fitted_on(fit_on), adaptation=adaptation).sort("layer")
        if own.height:
            rows, label = own.select("layer", "value").rows(), own["method"][0]
            (last, at_last), (best, highest) = rows[-1], max(rows, key=lambda row: (row[1], row[0]))
            beside = "the last" if best == last else f"against {percent(at_last)} at the last, {last}"
            found.append(f"{label} at {best} ({percent(highest)}; {beside})")
    return f"The layer of {model} that is highest on test, mean over the tasks: {', '.join(found)}."


class Layers(Figure):
    """Recall by layer."""

    name, place = "layers", 50
    title = "Recall by layer"
    paper_item = "Figure 5"
    paper = (("Figure 5", "recall by layer"),)

    def draw(self, drawing: Drawing) -> Drawn | None:
        """Draw it; None where no layers were swept."""
        answer, raw = drawing.facts.ask("sweeps/layers"), self.ask(drawing.facts, "levels")
        others = raw.rows.filter(
            pl.col("model").is_in([m.name for m in drawing.inputs.models if m.kind == "contrastive"])
        )
        rows: list[PanelRow] = []
        statements = []
        for model, own in models_in(drawing.inputs, answer.rows):
            first, *tasks = (_panel(facet, others) for facet in facets(own))
            rows += [PanelRow(model.name, (first,), large=True), PanelRow("Task by task", tuple(tasks))]
            statements.append(_statement(model.name, own.filter(pl.col("task_id").is_null())))
        if not rows:
            return None
        return Drawn(
            " ".join(statements),
            "Mean over the tokens of each layer, of an embedder its last; layer 0 is the embeddings, the last is after "
            f"the final norm. {_READING if realigned(answer.rows) else ''}Bands: range over the repetitions. Each "
            "panel has its own scale; levels above it (↑) are written only.",
            Charts(tuple(rows)),
            (answer, raw),
        )


MEMBER = Layers()
