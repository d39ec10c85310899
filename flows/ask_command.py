"""The commands that ask the warehouse: ``lens sql`` and ``lens features``."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.options import CsvOption, JsonOption, RunOption, StoreOption, existing_store
from flows.terminal import out, print_whole

if TYPE_CHECKING:
    from pathlib import Path


def sql(
    query: Annotated[str | None, typer.Argument(help='A select, e.g. "select * from runs".')] = None,
    as_csv: CsvOption = False,
    as_json: JsonOption = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print every table and column with its meaning.")] = False,
    run: RunOption = "latest",
    store: StoreOption = None,
) -> None:
    """Ask the warehouse a question in SQL, read only.

    Example: [bold]lens sql "select * from feature_summary order by attribution desc limit 10"[/bold]
    --run decides what latest.<table> and the views show; the tables themselves hold every run.
    """
    from pipeline_core.warehouse import format as formats
    from pipeline_core.warehouse.query import query as ask
    from pipeline_core.warehouse.query import schema_text

    if schema:
        import_module("pipeline_core.pipeline")  # stages of other distributions add tables
        out.print(schema_text(), markup=False, highlight=False)
        return
    if query is None:
        raise typer.BadParameter("give a select, or --schema")
    root = existing_store(store)
    result = ask(root, query, run_id=_id_of(root, run))
    if as_csv:
        sys.stdout.write(formats.to_csv(result))
    elif as_json:
        sys.stdout.write(formats.to_json(result) + "\n")
    else:
        print_whole(formats.to_table(result))


def features(
    by: Annotated[
        Literal["attribution", "energy", "bridge_abs", "bridge_diagonal", "modality"],
        typer.Option(help="Largest first."),
    ] = "attribution",
    sae: Annotated[str | None, typer.Option(help="<model>/<name>, e.g. reference-mllm/paper; by default all.")] = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="Features to show.")] = 10,
    run: RunOption = "latest",
    store: StoreOption = None,
) -> None:
    """List the features of a run, by default the latest, with what they respond to."""
    from pipeline_core.warehouse import format as formats
    from pipeline_core.warehouse.query import top_features

    root = existing_store(store)
    print_whole(formats.to_table(top_features(root, by, sae, top, _id_of(root, run))))


def _id_of(root: "Path", run: str) -> str | None:
    """Return the id of a run; None for the latest, which the views show by themselves."""
    from pipeline_core.store.journal import LATEST, completed_run

    return None if run == LATEST else completed_run(root, run).run_id
