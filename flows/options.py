"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

from flows import environment
from pipeline_core.presets import preset_names

StoreOption = Annotated[Path | None, typer.Option("--store", help="The store's folder.", envvar=environment.STORE)]
PresetOption = Annotated[str | None, typer.Option(help=f"A shipped config: {', '.join(preset_names())}.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="A config of your own, YAML.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="section.field=value; may be repeated.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
