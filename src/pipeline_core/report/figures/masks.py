"""Figure 4, side by side: recall of composed queries with tokens left out of queries, of candidates, of both."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from pipeline_core.report.facts import Answer, Facts
from pipeline_core.report.figures._grids import Grid, GridFigure, GridViews, TaskDots, grid, task_dots, views
from pipeline_core.report.figures._rows import Facet, Method, facets, methods
from pipeline_core.report.text import percent

_WHOLE = "all"
MASKS = {
    "no_image": "no image",
    "no_prompt": "no instruction",
    "content": "no instruction, no template",
    "no_words": "no text of the user",
}
SIDES = {"queries": "queries", "candidates": "candidates", "both": "both sides"}


def _grid(method: Method) -> Grid:
    """Lay out one method's means; what all tokens give is masked on neither side, and stands beside all."""
    whole = method.rows.filter(mask=_WHOLE)
    beside = [whole.with_columns(side=pl.lit(side)) for side in SIDES]
    rows = pl.concat([*beside, method.rows.filter(pl.col("mask") != _WHOLE)])
    return grid(method.label, rows, ("side", SIDES), ("mask", {_WHOLE: "all tokens", **MASKS}))


def _dots(facet: Facet, method: Method) -> TaskDots:
    return task_dots(facet, list(_rows(method)), method.label)


def _rows(method: Method) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    found = {(row["mask"], row["side"]): row for row in method.rows.iter_rows(named=True)}
    places = ((mask, side, f"{words}: {of}") for mask, words in MASKS.items() for side, of in SIDES.items())
    for mask, side, label in ((_WHOLE, "both", "all tokens"), *places):
        if (mask, side) in found:
            yield label, method.colour, found[mask, side]


class Masks(GridFigure):
    """Recall by mask and by the side that it is on."""

    name, place = "masks", 45
    title = "Masks on queries, on candidates, on both"
    paper_item = "Figure 4"
    paper = (("Figure 4", "masks on one side or on both"),)

    def answer(self, facts: Facts) -> Answer:
        """Ask for the rows of the sweep."""
        return self.ask(facts)

    def note(self, reading: str) -> str:
        """Tell what is pooled, averaged and drawn."""
        return (
            f"Composed queries, mean pooling at the analysis layer{reading}; the side that is not masked pools all "
            "tokens. The user's text is instruction and words. Grids: mean hit rate over the composed tasks, the "
            "highest on test in bold, with the range over the repetitions where there are several. Dots: task by task; "
            "lines are 95% intervals, dotted lines chance."
        )

    def statement(self, model: str, own: pl.DataFrame) -> str:
        """Tell the means."""
        parts = []
        for method in methods(own.filter(pl.col("task_id").is_null())):
            found = {
                (mask, side): value for mask, side, value in method.rows.select("mask", "side", "value").iter_rows()
            }
            masked = [
                f"without {what} {', '.join(f'{percent(found[mask, s])} ({of})' for s, of in SIDES.items())}"
                for mask, what in (("no_image", "image tokens"), ("no_words", "the user's text"))
                if all((mask, side) in found for side in SIDES)
            ]
            if masked and (_WHOLE, "both") in found:
                parts.append(f"{method.label} finds {percent(found[_WHOLE, 'both'])}; {'; '.join(masked)}.")
        return f"{model}, mean over composed tasks: {' '.join(parts)}"

    def views(self, model: str, own: pl.DataFrame) -> GridViews:
        """Lay them out."""
        return views(
            model,
            [_grid(method) for method in methods(own.filter(pl.col("task_id").is_null()))],
            [_dots(f, method) for f in facets(own) if f.task_id is not None for method in methods(f.rows)],
        )


MEMBER = Masks()
