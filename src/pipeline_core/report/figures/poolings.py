"""Figure 4 and Table 5: recall by pooling and by which tokens are pooled."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from pipeline_core.report.facts import Answer, Facts
from pipeline_core.report.figures._grids import GridFigure, GridViews, grid, task_dots, views
from pipeline_core.report.figures._rows import facets, methods
from pipeline_core.report.text import percent

POOLINGS = ("mean", "last", "max", "min")
MASKS = {"all": "all tokens", "no_image": "no image", "no_prompt": "no instruction", "content": "content only"}


def _dots(rows: pl.DataFrame) -> list[tuple[str, str, Mapping[str, Any]]]:
    return [
        (f"{words}, {method.label}", method.colour, row)
        for mask, words in MASKS.items()
        for method in methods(rows.filter(mask=mask))
        for row in method.rows.iter_rows(named=True)
    ]


class Poolings(GridFigure):
    """Recall by pooling and mask."""

    name, place = "poolings", 40
    title = "Poolings and masks"
    paper_item = "Figure 4 and Table 5"
    paper = (("Figure 4", "masks by pooling, and on composed queries"), ("Table 5", "grid of poolings and masks"))

    def answer(self, facts: Facts) -> Answer:
        """Ask for the rows of the sweep."""
        return facts.ask("sweeps/poolings")

    def note(self, reading: str) -> str:
        """Tell what is pooled, averaged and drawn."""
        return (
            f"At the analysis layer{reading}. Grids: mean hit rate over the tasks, the "
            "highest on test in bold, with the range over the repetitions where there are several; content only leaves "
            "out instruction and template. Dots: composed queries, mean pooling; lines are 95% intervals, dotted "
            "lines chance."
        )

    def statement(self, model: str, own: pl.DataFrame) -> str:
        """Tell the means."""
        parts = []
        overall = own.filter(pl.col("task_id").is_null() & pl.col("composed").is_null())
        composed = own.filter(pl.col("task_id").is_null() & pl.col("composed"), pooling="mean")
        of_composed = {method.label: method.rows for method in methods(composed)}
        for method in methods(overall):
            plain = method.rows.filter(mask="all").sort("value", "pooling", descending=[True, False])
            masks = dict(of_composed.get(method.label, composed.clear()).select("mask", "value").iter_rows())
            if plain.height:
                ranking = ", ".join(
                    f"{pooling} {percent(value)}" for pooling, value in plain["pooling", "value"].rows()
                )
                parts.append(f"{method.label}, all tokens: {ranking}.")
            if masks.keys() >= {"all", "no_image", "no_prompt"}:
                parts.append(
                    f"On composed tasks {percent(masks['all'])} become {percent(masks['no_image'])} without image "
                    f"tokens and {percent(masks['no_prompt'])} without the instruction."
                )
        return f"{model}: {' '.join(parts)}"

    def views(self, model: str, own: pl.DataFrame) -> GridViews:
        """Lay them out."""
        mean = own.filter(pl.col("task_id").is_null() & pl.col("composed").is_null())
        composed = own.filter((pl.col("pooling") == "mean") & pl.col("composed"))
        grids = [
            grid(method.label, method.rows, ("pooling", {name: name for name in POOLINGS}), ("mask", MASKS))
            for method in methods(mean)
        ]
        return views(model, grids, [task_dots(f, _dots(f.rows)) for f in facets(composed) if f.task_id is not None])


MEMBER = Poolings()
