"""The command ``lens models``: the families of models that are known here, and whether a model of yours is one."""

import json
from typing import Annotated, Any

import typer

from flows.options import JsonOption, SetOption
from flows.terminal import err, out, print_table
from flows.units import size

app = typer.Typer()
_HALF = 2  # bytes of a number in half precision, in which models of such sizes are published


@app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the families of models: what each serves, what it needs, and what is peculiar to it."""
    if context.invoked_subcommand is not None:
        return
    families = list(_families())
    if as_json:
        out.print(json.dumps(families, ensure_ascii=False, indent=1), markup=False, highlight=False)
        return
    print_table(
        ["family", "kind", "serves", "needs", "notable"],
        [
            (f["family"], " ".join(f["kinds"]), " ".join(f["model_types"] + f["models"]), _needs(f), f["about"])
            for f in families
        ],
    )


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="A reference model, a Hugging Face name, or a local folder.")],
    settings: SetOption = None,
    bf16: Annotated[
        bool, typer.Option("--bf16", help="Compare bfloat16 with float32 also where the model is large.")
    ] = False,
) -> None:
    """Check that a model is embedded right: one line a check, with figures; status 1 where one does not hold.

    It is loaded up to three times. Example: [bold]lens models check FOLDER --set model.dtype=auto[/bold]
    """
    from pipeline_core.config import load_config
    from pipeline_core.models.facts import describe_model

    chosen = (f"model.name={json.dumps(name)}", "compare_with=[]", *(settings or ()))
    config = load_config(settings=chosen)
    facts = describe_model(config.model)

    from pipeline_core.models.trial import check_model
    from pipeline_core.threads import limited_threads
    from pipeline_core.user_cache import user_cache

    failed = False
    placement, cache = config.placement, user_cache("models")
    with limited_threads(placement.threads), err.status("weights") as status:
        for finding in check_model(config.model, facts, placement, cache, both_precisions=bf16, tell=status.update):
            failed |= finding.ok is False
            mark = {True: "✓", False: "✗", None: "–"}[finding.ok]
            out.print(f"{mark} {finding.check:<9} {finding.found}", markup=False, highlight=False)
    if failed:
        raise typer.Exit(1)


def _needs(family: dict[str, Any]) -> str:
    """Return what a family needs, and the memory that the weights of its published models take."""
    sizes = (f"{size(_HALF * n)} ({name.rpartition('/')[2]})" for name, n in family["weights"].items())
    return "; ".join([*family["needs"], *sizes]) or "-"


def _families() -> list[dict[str, Any]]:
    from pipeline_core.models.families import FAMILIES

    return [
        {
            "family": name,
            "kinds": sorted({family.traits(model).kind for model in family.brings or ("",)}),
            "model_types": sorted(family.model_types),
            "models": [*family.brings],
            "needs": [*family.needs],
            "weights": {model: known.numbers for model, known in family.released.items()},
            "about": family.about,
        }
        for name, family in FAMILIES.items()
    ]
