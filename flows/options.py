"""Options that several commands take, and the store that one names."""

from pathlib import Path
from typing import Annotated

import typer

from flows import environment
from pipeline_core.errors import StoreError
from pipeline_core.presets import preset_names

StoreOption = Annotated[Path | None, typer.Option("--store", help="The store's folder.", envvar=environment.STORE)]
PresetOption = Annotated[
    list[str] | None,
    typer.Option(help=f"A shipped config; may be repeated, and the later wins: {', '.join(preset_names())}."),
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="A config of your own, YAML.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="section.field=value; may be repeated.")]
RunOption = Annotated[
    str,
    typer.Option("--run", help="Its id or a beginning of it; latest (the default): the last that completed; latest~1."),
]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def existing_store(store: Path | None) -> Path:
    """Return the store that is named, or the default one.

    Raises:
        StoreError: it is not there, or is a folder of other things.
    """
    root = (store or environment.default_store()).resolve()
    remedy = "run lens run first, or name it with --store"
    if not root.is_dir():
        raise StoreError(f"there is no store at {root}", remedy)
    from pipeline_core.store.artifacts import is_store  # noqa: PLC0415 - options are told without it

    if not is_store(root):
        raise StoreError(f"the folder {root} is no store", remedy)
    return root
