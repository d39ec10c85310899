"""The command ``lens models``: the families of models that are known here, and whether a model of yours is one."""

import json
from typing import Any

import typer

from flows.options import JsonOption
from flows.terminal import out, print_table

app = typer.Typer()


@app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the families of models: what each serves, and what is peculiar to it."""
    if context.invoked_subcommand is not None:
        return
    families = list(_families())
    if as_json:
        out.print(json.dumps(families, ensure_ascii=False, indent=1), markup=False, highlight=False)
        return
    print_table(
        ["family", "kind", "serves", "notable"],
        [(f["family"], " ".join(f["kinds"]), " ".join(f["model_types"] + f["models"]), f["about"]) for f in families],
        wide=31,
    )


def _families() -> list[dict[str, Any]]:
    from pipeline_core.models.families import FAMILIES

    return [
        {
            "family": name,
            "kinds": sorted({family.traits(model).kind for model in family.brings or ("",)}),
            "model_types": sorted(family.model_types),
            "models": [*family.brings],
            "about": family.about,
        }
        for name, family in FAMILIES.items()
    ]
