"""The commands ``lens up``, ``lens down`` and ``lens status``: the local service of a store."""

import json
from datetime import datetime
from typing import Annotated

import typer

from flows import environment
from flows.options import JsonOption, StoreOption
from flows.stopping import ends_in_order
from flows.terminal import err, out, print_table


def up(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Where the server listens.")] = None,
    store: StoreOption = None,
) -> None:
    """Start what runs the deployments of prefect.yaml on this machine: a Prefect server, its pool and a worker.

    It listens on loopback only. Started twice, it starts and deploys only what is missing.
    """
    from flows.service import Service

    service = Service(store or environment.default_store())
    before = service.read()
    ran = before is not None and all(before.runs.values())
    with ends_in_order("stopped; what was started is ended"), err.status("service") as status:
        state = service.up(port, status.update)
    if ran:
        out.print(f"The service of {service.store} runs already.", markup=False, highlight=False)
    out.print(f"{state.url}  (logs in {service.folder}; lens status, lens down)", markup=False, highlight=False)


def down(store: StoreOption = None) -> None:
    """Stop the service; what a run of it had finished is in the store, and its history stays."""
    from flows.service import Service

    service = Service(store or environment.default_store())
    with err.status("service") as status:
        ran = service.down(status.update)
    told = "Stopped: no process of the service is left." if ran else f"No service of {service.store} ran."
    out.print(told, markup=False, highlight=False)


def status(as_json: JsonOption = False, store: StoreOption = None) -> None:
    """Say what of the service runs, and when each deployment ran and runs next; status 1 where it is not all there."""
    from flows.service import Service

    service = Service(store or environment.default_store())
    state = service.read()
    runs = state.runs if state else {"server": False, "worker": False}
    deployments = service.deployments(state) if state and runs["server"] else []
    if as_json:
        found = {"url": state.url if state else None, **runs, "deployments": deployments}
        out.print(json.dumps(found, ensure_ascii=False, indent=1), markup=False, highlight=False)
    else:
        for name, there in runs.items():
            where = f" at {state.url}" if state and there and name == "server" else ""
            out.print(f"{name}: {'runs' if there else 'does not run'}{where}", markup=False, highlight=False)
        if deployments:
            print_table(
                ["deployment", "schedule (UTC)", "next (UTC)", "last run"],
                [(d["deployment"], d["schedule"], _minute(d["next"]), _last(d["last"], d["run"])) for d in deployments],
            )
    if not all(runs.values()):
        err.print("lens up starts what does not run", markup=False, highlight=False)
        raise typer.Exit(1)


def _minute(moment: str | None) -> str:
    return f"{datetime.fromisoformat(moment):%m-%d %H:%M}" if moment else ""


def _last(state: str | None, name: str | None) -> str:
    return f"{state}: {name}" if state else ""
