"""The command ``lens export``: what a run made, in the formats that other tools read."""

from pathlib import Path
from typing import Annotated

import typer

from flows.options import RunOption, StoreOption, existing_store
from flows.terminal import out, print_table


def export(
    form: Annotated[
        str | None, typer.Argument(metavar="FORMAT", help="What to write; without it, all are listed.")
    ] = None,
    path: Annotated[Path | None, typer.Argument(metavar="PATH", help="File or folder to write.")] = None,
    model: Annotated[str | None, typer.Option(help="Model; by default the one that the run studied.")] = None,
    sae: Annotated[str | None, typer.Option(help="Autoencoder, <model>/<name>; by default the run's first.")] = None,
    run: RunOption = "latest",
    store: StoreOption = None,
) -> None:
    """Write what a run made for another tool: embeddings, features, results, or an autoencoder.

    Example: [bold]lens export embedding_atlas atlas.parquet[/bold]
    """
    from pipeline_core.errors import ConfigError
    from pipeline_core.exports import EXPORTS
    from pipeline_core.sae.formats import FORMATS

    if form is None:
        kept = ((name, "an autoencoder, as that package keeps it") for name in FORMATS)
        print_table(["format", "what is written"], [*((e.name, e.about) for e in EXPORTS.values()), *kept])
        return
    form = form.replace("-", "_")  # embedding-atlas is called so
    if form not in EXPORTS and form not in FORMATS:
        raise ConfigError(f"there is no format {form!r}", f"lens export writes {', '.join((*EXPORTS, *FORMATS))}")
    if path is None:
        raise typer.BadParameter("give the file or folder to write")
    if path.exists():
        raise ConfigError(f"{path} is there already", "name a file or folder that is not")

    from pipeline_core.library import Run, open_store
    from pipeline_core.store.journal import completed_run
    from pipeline_core.warehouse.query import files_told

    root = existing_store(store)
    made = Run(open_store(root), completed_run(root, run))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()  # libraries tell in words of their own, or of themselves, where nothing can be written
    path.unlink()
    hint = ""
    if form in FORMATS:
        made.export_sae(path, form, sae)
    else:
        with files_told():
            hint = EXPORTS[form].write(made, path, model, sae)
    out.print(str(path), markup=False, highlight=False)
    if hint:
        out.print(hint, markup=False, highlight=False)
