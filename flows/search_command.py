"""The command ``lens search``: one search, or one a line with the model loaded once; hits side by side."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.options import RunOption, StoreOption, existing_store
from flows.terminal import complain, out, print_table
from pipeline_core.errors import QueryError

if TYPE_CHECKING:
    from pipeline_core.index.search import SearchResult


def search(
    text: Annotated[str | None, typer.Argument(help='What to look for, e.g. "a red heart".')] = None,
    image: Annotated[Path | None, typer.Option(help="A picture to look for, or to look for with the words.")] = None,
    to: Annotated[Literal["image", "text", "any"], typer.Option(help="What to find.")] = "image",
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="Hits to show.")] = 5,
    model: Annotated[str | None, typer.Option(help="Model; by default the one that the run studied.")] = None,
    device: Annotated[str | None, typer.Option(help="Where it runs; by default as in that run.")] = None,
    run: RunOption = "latest",
    store: StoreOption = None,
) -> None:
    """Search the index with words, a picture, or both: hits of raw and of realigned embeddings, side by side.

    Without words and picture every line read is a search, [bold]--image FILE[/bold] before the words of those with a
    picture; the model is loaded once for all of them.
    """
    from flows.searching import open_searcher, read_lines, read_question
    from pipeline_core.activations.query import Question

    asked = None if image is None and text in (None, "-") else Question(text, image)
    searcher = open_searcher(existing_store(store), model, device, run)
    if asked is not None:
        _show_hits(searcher.search(asked, to, k))
        return
    refused = 0
    for line in read_lines():
        try:
            _show_hits(searcher.search(read_question(line), to, k), line)
        except QueryError as error:
            refused += 1
            complain(str(error))
    if refused and not sys.stdin.isatty():
        raise typer.Exit(2)


def _show_hits(hits: "SearchResult", title: str | None = None) -> None:
    columns = {"raw": hits.raw, "ReAlign": hits.realign}
    shown = {name: found for name, found in columns.items() if found is not None}
    ranks = enumerate(zip(*shown.values(), strict=True), start=1)
    if title:
        out.print(title, markup=False, highlight=False)
    print_table(["rank", *shown], [(str(rank), *map(str, found)) for rank, found in ranks])
    if hits.realign is None:
        out.print("ReAlign: not fitted to such questions, of which the data set has none in the support split")
