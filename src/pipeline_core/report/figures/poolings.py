"""Figure 4 and Table 5: recall by pooling and by which tokens are pooled."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from pipeline_core.report.figures._grids import GridViews, grid, task_dots, views
from pipeline_core.report.figures._kind import Drawing, Drawn, Figure
from pipeline_core.report.figures._rows import facets, methods, models_in
from pipeline_core.report.recall import realigned
from pipeline_core.report.text import percent

POOLINGS = ("mean", "last", "max", "min")
MASKS = {"all": "all tokens", "no_image": "no image", "no_prompt": "no instruction", "content": "content only"}


def _views(model: str, own: pl.DataFrame) -> GridViews:
    mean = own.filter(pl.col("task_id").is_null() & pl.col("composed").is_null())
    composed = own.filter((pl.col("pooling") == "mean") & pl.col("composed"))
    grids = [
        grid(method.label, method.rows, ("pooling", {name: name for name in POOLINGS}), ("mask", MASKS))
        for method in methods(mean)
    ]
    return views(model, grids, [task_dots(f, _dots(f.rows)) for f in facets(composed) if f.task_id is not None])


def _dots(rows: pl.DataFrame) -> list[tuple[str, str, Mapping[str, Any]]]:
    return [
        (f"{words}, {method.label}", method.colour, row)
        for mask, words in MASKS.items()
        for method in methods(rows.filter(mask=mask))
        for row in method.rows.iter_rows(named=True)
    ]


def _statement(model: str, own: pl.DataFrame) -> str:
    parts = []
    overall = own.filter(pl.col("task_id").is_null() & pl.col("composed").is_null())
    composed = own.filter(pl.col("task_id").is_null() & pl.col("composed"), pooling="mean")
    of_composed = {method.label: method.rows for method in methods(composed)}
    for method in methods(overall):
        plain = method.rows.filter(mask="all").sort("value", "pooling", descending=[True, False])
        masks = dict(of_composed.get(method.label, composed.clear()).select("mask", "value").iter_rows())
        if plain.height:
            ranking = ", ".join(f"{pooling} {percent(value)}" for pooling, value in plain["pooling", "value"].rows())
            parts.append(f"{method.label}, all tokens: {ranking}.")
        if masks.keys() >= {"all", "no_image", "no_prompt"}:
            parts.append(
                f"On composed tasks {percent(masks['all'])} become {percent(masks['no_image'])} without image tokens "
                f"and {percent(masks['no_prompt'])} without the instruction."
            )
    return f"{model}: {' '.join(parts)}"


class Poolings(Figure):
    """Recall by pooling and mask."""

    name, place = "poolings", 40
    title = "Poolings and masks"
    paper_item = "Figure 4 and Table 5"
    paper = (("Figure 4", "masks by pooling, and on composed queries"), ("Table 5", "grid of poolings and masks"))
    template = "grids"

    def draw(self, drawing: Drawing) -> Drawn | None:
        """Draw it; None where no poolings were swept."""
        answer = drawing.facts.ask("sweeps/poolings")
        found = models_in(drawing.inputs, answer.rows)
        if not found:
            return None
        reading = ", ReAlign by the candidates' statistics" if realigned(answer.rows) else ""
        return Drawn(
            " ".join(_statement(model.name, own) for model, own in found),
            f"At the analysis layer{reading}. Grids: mean hit rate over the tasks, the "
            "highest on test in bold, with the range over the repetitions where there are several; content only leaves "
            "out instruction and template. Dots: composed queries, mean pooling; lines are 95% intervals, dotted "
            "lines chance.",
            tuple(_views(model.name, own) for model, own in found),
            (answer,),
        )


MEMBER = Poolings()
