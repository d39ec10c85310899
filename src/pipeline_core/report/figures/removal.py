"""Table 2: how recall answers to the dose of what is removed, features or the controls that remove as much."""

from collections.abc import Mapping

import polars as pl

from pipeline_core.report import axes
from pipeline_core.report.axes import Axis
from pipeline_core.report.chart import MARGIN, Charts, Level, Panel, PanelRow, Point, Series, draw, extent
from pipeline_core.report.figures._kind import Drawing, Drawn, Figure
from pipeline_core.report.figures._rows import present, series
from pipeline_core.report.text import points, points_interval, task_title

FEATURES = {
    "attribution": ("attribution", "line-attribution"),
    "energy": ("energy", "line-energy"),
    "bridge": ("bridge", "line-bridge"),
    "energy_matched": ("nearest in energy", "line-matched"),
    "random_features": ("random features", "line-random"),
}
"""Features removed in doses: by what they were chosen, and class of line."""

DIRECTIONS = {
    "random_subspace": ("random subspace", "line-subspace"),
    "principal_components": ("principal components", "line-components"),
}
"""As many directions, no features."""

SELECTIONS = FEATURES | DIRECTIONS

MEANS = {"mean": ("one mean", "line-centre"), "mean_each_side": ("mean of each side", "line-sides")}
"""Directions removed without a dose, which are levels."""

_LABELS = {name: label for name, (label, _) in (SELECTIONS | MEANS).items()}
_OTHER = "line-rival"
"""Class of line of everything that is not listed."""

_AT_RANDOM = ("energy_matched", "random_features", "random_subspace")

_TYPES = ("t->i", "i->t", None)
"""Task types with a panel of their own, then the mean over the tasks."""


def whether_distractors(gains: Mapping[str, float]) -> str:
    """Answer from mean gains whether the top-attribution features are distractors.

    Args:
        gains: mean change of the hit rate by what is removed (names of selections): attribution and its
            controls, the best draw of what is drawn. They are compared in tenths of a point, as they are written.
    """
    gains = {name: round(gain, 3) for name, gain in gains.items()}
    own = gains["attribution"]
    controls = sorted((name for name in gains if name != "attribution"), key=lambda name: -gains[name])
    as_much = [name for name in controls if gains[name] >= own]
    named = ", ".join(f"{_label(name)} {points(gains[name])}" for name in as_much or controls[:1])
    raises = f"removing the top-attribution features raises recall ({points(own)})"
    if own <= 0:
        found = f"No: removing the top-attribution features does not raise recall ({points(own)})."
    elif not as_much:
        found = f"By the mean, yes: {raises}, more than any control (at best {named})."
    elif set(as_much) & set(_AT_RANDOM):
        found = f"Not shown: {raises}, but random draws reach as much ({named})."
    else:
        found = f"Not they in particular: {raises}, more than random controls, but others do as well ({named})."
    return f"Are they distractors? {found}"


def _label(selection: str) -> str:
    return _LABELS.get(selection, selection.replace("_", " "))


def _others(rows: pl.DataFrame) -> dict[str, tuple[str, str]]:
    """Return the selections that are not listed, with name and class of line."""
    names = [name for name in rows["selection"].unique().sort() if name not in _LABELS]
    return {name: (_label(name), _OTHER) for name in names}


def _by_share(own: pl.DataFrame, directions: bool) -> list[Panel]:
    shares, found = own.filter(sweep="share"), []
    for task_type in _TYPES:
        of_type = pl.col("task_type").eq_missing(pl.lit(task_type, pl.String))
        rows = shares.filter(of_type)
        if rows.height:
            x = axes.measured(shares["x"].to_list(), axes.bare_percentages, "% of the features")
            levels = _levels(own.filter(of_type)) if directions else []
            found.append(_panel(_title(task_type), "", rows, x, levels, directions, labelled=True))
    return found


def _beside(own: pl.DataFrame, alone: pl.DataFrame) -> list[Panel]:
    mean, found = own.filter(pl.col("task_type").is_null()), []
    ranks, counts = mean.filter(sweep="rank"), mean.filter(sweep="cumulative")
    if ranks.height:
        x = axes.measured(ranks["x"].to_list(), "{:g}".format, "dimensions")
        found.append(_panel("By rank", "features, mean over the tasks", ranks, x, []))
        found.append(_panel("By rank", "directions, mean over the tasks", ranks, x, _levels(mean), True))
    if counts.height:
        x = axes.linear(counts["x"].to_list(), "{:g}".format, "features")
        found.append(_panel("Cumulatively", "mean over the tasks", counts, x, []))
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


def _panel(
    title: str,
    note: str,
    rows: pl.DataFrame,
    x: Axis,
    levels: list[Level],
    directions: bool = False,
    labelled: bool = False,
) -> Panel:
    """Draw features, or directions beside the features with the largest attribution: all at once hide each other."""
    shown = {"attribution": FEATURES["attribution"]} | DIRECTIONS if directions else FEATURES | _others(rows)
    lines = present(
        *(
            series(rows.filter(selection=selection), "x", label, style, "dotted line")
            for selection, (label, style) in shown.items()
        )
    )
    held = extent(lines, levels) + [level.value for level in levels]
    return draw(title, note, lines, x, axes.linear(held, axes.signed_points, margin=MARGIN), points, levels, labelled)


def _levels(rows: pl.DataFrame) -> list[Level]:
    values = dict(rows.select("selection", "value").iter_rows())
    return [Level(label, style, values[name]) for name, (label, style) in MEANS.items() if name in values]


def _title(task_type: str | None) -> str:
    title = "mean over the tasks" if task_type is None else task_title(task_type)
    return title[0].upper() + title[1:]


def _statement(sae_id: str, own: pl.DataFrame) -> str:
    """Say what removal at the share of the analysis gains, beside all its controls, and what follows."""
    share = own["analysed_share"][0]
    if share is None:
        return f"{sae_id}: the analysis removed no share of the features."
    at_share = (pl.col("sweep") == "share") & (pl.col("x") == share)
    same = own.filter(pl.col("task_type").is_null(), at_share | pl.col("selection").is_in(list(MEANS)))
    gains = dict(same.select("selection", "value").iter_rows())
    dose = f"{axes.percentages(share)} of the features"
    if "attribution" not in gains:
        return f"{sae_id}: {dose}, the share of the analysis, was not removed."
    best_draws = dict(same.filter(pl.col("selection").is_in(_AT_RANDOM)).select("selection", "high").iter_rows())
    ranges = {
        row["selection"]: f" ({points_interval(row['low'], row['high'])})"
        for row in same.filter(pl.col("selection").is_in(_AT_RANDOM)).iter_rows(named=True)
    }
    named = _LABELS | {name: label for name, (label, _) in _others(same).items()}
    told = [f"{label} {points(gains[name])}{ranges.get(name, '')}" for name, label in named.items() if name in gains]
    answer = whether_distractors(gains | best_draws)
    return f"{sae_id}, {dose} removed, points of the mean over the tasks: {', '.join(told)}. {answer}"


class Removal(Figure):
    """Change of recall by dose."""

    name, place = "removal", 70
    title = "What removing features does"
    paper_item = "Table 2"
    paper = (("Table 2", "dose response"),)

    def draw(self, drawing: Drawing) -> Drawn | None:
        """Draw it; None where no doses were swept."""
        answer, singles = drawing.facts.ask("sweeps/dose"), self.ask(drawing.facts, "singles")
        rows: list[PanelRow] = []
        statements = []
        for sae_id in drawing.inputs.sae_ids:
            own, alone = answer.rows.filter(sae_id=sae_id), singles.rows.filter(sae_id=sae_id)
            if own.is_empty():
                continue
            rows += [
                PanelRow(f"{sae_id}: by share of the features removed", tuple(_by_share(own, False)), True),
                PanelRow(f"{sae_id}: as many directions removed", tuple(_by_share(own, True)), True),
                PanelRow(
                    f"{sae_id}: by rank of the subspace, by features cumulatively, and one alone",
                    tuple(_beside(own, alone)),
                ),
            ]
            statements.append(_statement(sae_id, own))
        rows = [row for row in rows if row.panels]
        if not rows:
            return None
        return Drawn(
            " ".join(statements),
            "Change of the hit rate in percentage points, against raw. Features are ranked on train and support. "
            "Bands: range over draws and repetitions. Alone: each feature by its place in the ranking by attribution, "
            "with 95% intervals; filled where q < 0.05.",
            Charts(tuple(rows)),
            (answer, singles),
        )


MEMBER = Removal()
