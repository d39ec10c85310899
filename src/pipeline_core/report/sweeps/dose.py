"""Table 2: how recall answers to the dose of what is removed, features or the controls that remove as much."""

import polars as pl

from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.sweeps import axes
from pipeline_core.report.sweeps.axes import Axis
from pipeline_core.report.sweeps.chart import MARGIN, Charts, Level, Panel, PanelRow, Point, Series, draw, extent
from pipeline_core.report.sweeps.figure import SweepFigure, present, series
from pipeline_core.report.text import points, points_interval, task_title

SELECTIONS = {
    "attribution": ("attribution", "line-attribution"),
    "energy": ("energy", "line-energy"),
    "bridge": ("bridge", "line-bridge"),
    "energy_matched": ("matched energy", "line-matched"),
    "random_features": ("random features", "line-random"),
    "random_subspace": ("random subspace", "line-subspace"),
    "principal_components": ("principal components", "line-components"),
}
"""What is removed: its name and class of line; the mean is a level."""

_TYPES = ("t->i", "i->t", None)
"""Task types with a panel of their own, then the mean over the tasks."""


def dose_figure(inputs: ReportInputs, facts: Facts) -> SweepFigure | None:
    """Return the figure; None where no doses were swept."""
    answer, singles = facts.ask("sweeps/dose"), facts.ask("sweeps/singles")
    rows: list[PanelRow] = []
    statements = []
    for sae_id in (sae.sae_id for model in inputs.models for sae in model.saes):
        own, alone = answer.rows.filter(sae_id=sae_id), singles.rows.filter(sae_id=sae_id)
        if own.is_empty():
            continue
        rows += [
            PanelRow(
                f"{sae_id}: by share of the features removed", tuple(_by_share(own, kind) for kind in _TYPES), True
            ),
            PanelRow(
                f"{sae_id}: by rank of the subspace, by features cumulatively, and one alone",
                tuple(_beside(own, alone)),
            ),
        ]
        statements.append(_statement(sae_id, own))
    if not rows:
        return None
    return SweepFigure(
        "figure-removal",
        "Table 2",
        "What removing features does",
        " ".join(statements),
        "Change of the hit rate in percentage points, against raw. Features are ranked on train and support. Bands: "
        "range over draws and repetitions. Alone: each feature by its place in the ranking by attribution, with 95% "
        "intervals; filled where q < 0.05.",
        Charts(tuple(row for row in rows if row.panels)),
        (answer, singles),
    )


def _by_share(own: pl.DataFrame, task_type: str | None) -> Panel:
    of_type = own.filter(pl.col("task_type").eq_missing(pl.lit(task_type, pl.String)))
    x = axes.measured(own.filter(sweep="share")["x"].to_list(), axes.bare_percentages, "% of the features")
    return _panel(_title(task_type), "", of_type.filter(sweep="share"), x, _mean_level(of_type), labelled=True)


def _beside(own: pl.DataFrame, alone: pl.DataFrame) -> list[Panel]:
    mean, found = own.filter(pl.col("task_type").is_null()), []
    ranks, counts = mean.filter(sweep="rank"), mean.filter(sweep="cumulative")
    if ranks.height:
        x = axes.measured(ranks["x"].to_list(), "{:g}".format, "dimensions")
        found.append(_panel("By rank", "mean over the tasks", ranks, x, _mean_level(mean)))
    if counts.height:
        x = axes.linear(counts["x"].to_list(), "{:g}".format, "features")
        found.append(_panel("Cumulatively", "mean over the tasks", counts, x, _mean_level(mean)))
    for (task_type,), rows in alone.group_by(["task_type"], maintain_order=True):
        found.append(_singles(str(task_type), rows))
    return found


def _singles(task_type: str, rows: pl.DataFrame) -> Panel:
    dots = tuple(
        Point(row["attribution_rank"], row["value"], row["low"], row["high"], row["q"] < 0.05)
        for row in rows.iter_rows(named=True)
    )
    x = axes.linear(rows["attribution_rank"].to_list(), "{:g}".format, "place by attribution")
    one = Series("one feature alone", "line-attribution", dots, "dots")
    note = f"{_title(task_type).lower()}, hit@{rows['k'][0]}"
    return draw("Alone", note, [one], x, axes.linear(extent([one]), axes.signed_points, margin=MARGIN), points)


def _panel(title: str, note: str, rows: pl.DataFrame, x: Axis, levels: list[Level], labelled: bool = False) -> Panel:
    lines = present(
        *(
            series(rows.filter(selection=selection), "x", label, style, "dotted line")
            for selection, (label, style) in SELECTIONS.items()
        )
    )
    held = extent(lines, levels) + [level.value for level in levels]
    return draw(title, note, lines, x, axes.linear(held, axes.signed_points, margin=MARGIN), points, levels, labelled)


def _mean_level(rows: pl.DataFrame) -> list[Level]:
    means = rows.filter(selection="mean")["value"].to_list()[:1]
    return [Level("mean direction", "line-centre", value) for value in means]


def _title(task_type: str | None) -> str:
    title = "mean over the tasks" if task_type is None else task_title(task_type)
    return title[0].upper() + title[1:]


def _statement(sae_id: str, own: pl.DataFrame) -> str:
    mean = own.filter(pl.col("task_type").is_null(), sweep="share")
    chosen = mean.filter(selection="attribution").sort("value", descending=True)
    if chosen.is_empty():
        return ""
    best = chosen.row(0, named=True)
    same = mean.filter(pl.col("selection").is_in(["random_features", "random_subspace"]), x=best["x"])
    beside = [
        f"{SELECTIONS[row['selection']][0]} {points(row['value'])} ({points_interval(row['low'], row['high'])})"
        for row in same.iter_rows(named=True)
    ]
    against = f"; as many at random: {', '.join(beside)}" if beside else ""
    return (
        f"{sae_id}, mean over the tasks: removal by attribution does best at "
        f"{axes.percentages(best['x'])} of the features, {points(best['value'])} points{against}."
    )
