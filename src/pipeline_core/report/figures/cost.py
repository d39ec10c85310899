"""Table 7: seconds and memory of adaptation beside those of search, by number of candidates."""

import polars as pl

from pipeline_core.report import axes
from pipeline_core.report.chart import Charts, Panel, PanelRow, Point, Series, draw
from pipeline_core.report.figures._kind import Drawing, Drawn, Figure
from pipeline_core.report.figures._rows import models_in, present
from pipeline_core.report.text import number

_OPERATIONS = (
    ("fit", "fit", "line-fit"),
    ("apply", "apply", "line-apply"),
    ("search", "search", "line-search"),
    ("product", "plain product", "line-joint"),
)
_MEBIBYTE = 2.0**20


def _panels(all_conditions: pl.DataFrame) -> list[Panel]:
    own = all_conditions.filter("usual")
    x = axes.decades(own["n_candidates"].to_list(), _thousands, "candidates")
    found = []
    for title, column, unit, write in (
        ("Time", "seconds", 1.0, _seconds),
        ("Peak memory, MiB", "peak_memory_bytes", _MEBIBYTE, number),
    ):
        # A logarithmic axis has no place for what took no memory that could be measured.
        measured = own.filter(pl.col(column) > 0).with_columns(value=pl.col(column) / unit)
        if measured.height:
            lines = present(
                *(_series(measured.filter(operation=name), label, style) for name, label, style in _OPERATIONS)
            )
            note = f"width {own['width'][0]}"
            y = axes.decades(measured["value"].to_list(), write)
            found.append(draw(title, note, lines, x, y, write, labelled=True))
    return found


def _series(rows: pl.DataFrame, label: str, style: str) -> Series:
    places = rows.sort("n_candidates").select("n_candidates", "value").rows()
    return Series(label, style, tuple(Point(n, value, value, value) for n, value in places), "dotted line")


def _thousands(count: float) -> str:
    return f"{count:g}" if count < 1e3 else f"{count / 1e3:g}k" if count < 1e6 else f"{count / 1e6:g}M"


def _seconds(value: float) -> str:
    return f"{number(value)} s" if value >= 1 else f"{number(1000 * value)} ms"


def _statement(model: str, own: pl.DataFrame) -> str:
    usual = own.filter("usual")
    largest = usual.filter(pl.col("n_candidates") == pl.col("n_candidates").max())
    seconds = dict(largest.select("operation", "seconds").drop_nulls().iter_rows())
    if not seconds.keys() >= {"fit", "apply", "search"}:
        return ""
    adaptation = seconds["fit"] + seconds["apply"]
    return (
        f"At {largest['n_candidates'][0]:,} candidates of {model}'s width ({largest['width'][0]}), ReAlign takes "
        f"{_seconds(adaptation)}, {adaptation / seconds['search']:.2g} times one search "
        f"({_seconds(seconds['search'])})."
        f"{''.join(_by_queries(of_width) for _, of_width in own.group_by('width', maintain_order=True))}"
    )


def _by_queries(of_width: pl.DataFrame) -> str:
    """Say how the ratio to one search falls with the queries; nothing where one number of them was tried."""
    pools = of_width.group_by("n_candidates").agg(pl.col("n_queries").n_unique()).sort("n_queries", descending=True)
    at, tried = pools.row(0)
    if tried == 1:
        return ""
    here = of_width.filter(n_candidates=at).pivot(on="operation", index="n_queries", values="seconds").sort("n_queries")
    ratios = ", ".join(
        f"{(row['fit'] + row['apply']) / row['search']:.2g} for {row['n_queries']:,} queries"
        for row in here.iter_rows(named=True)
    )
    return f" At {at:,} candidates of width {of_width['width'][0]:,}: {ratios}."


class Cost(Figure):
    """Seconds and memory by number of candidates."""

    name, place = "cost", 80
    title = "What ReAlign costs beside one search"
    paper_item = "Table 7"
    paper = (("Table 7", "by number of candidates"),)

    def draw(self, drawing: Drawing) -> Drawn | None:
        """Draw it; None where no costs were measured."""
        answer = self.ask(drawing.facts)
        found = models_in(drawing.inputs, answer.rows)
        if not found:
            return None
        queries, name = answer.rows.filter("usual")["n_queries"][0], found[0][0].name
        return Drawn(
            _statement(name, found[0][1]),
            f"Synthetic vectors of each model's width, both axes logarithmic. Fit: mean, covariance and decomposition "
            f"of the candidates; apply: whitening all of them; search: exact, {queries:,} queries at once; plain "
            "product: a matrix product and the best 10 of each row, the least that a search can do.",
            Charts(tuple(PanelRow(model.name, tuple(_panels(own)), large=True) for model, own in found)),
            (answer,),
        )


MEMBER = Cost()
