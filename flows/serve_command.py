"""The command ``lens serve``: the pages of a store, on this machine."""

import os
import signal
import socket
from typing import Annotated

import typer

from flows.options import StoreOption, existing_store
from flows.terminal import out
from pipeline_core.errors import ServiceError

USUAL_PORT = 8642


def serve(
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help=f"Where it listens; by default {USUAL_PORT}, or any that is free."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address that it listens at; by default only this machine reaches it.")
    ] = "127.0.0.1",
    store: StoreOption = None,
) -> None:
    """Show a store in the browser: features, searches, queries, samples, and a console for SQL.

    Nothing of it is changed, and runs may go on meanwhile: each page is of what is published when it is asked for.
    """
    root = existing_store(store)
    listening = _listen(host, port)
    import uvicorn

    from pipeline_core.app.server import create_app

    config = uvicorn.Config(
        create_app(root), log_level="warning", timeout_graceful_shutdown=1, server_header=False, lifespan="off"
    )
    name = f"[{host}]" if ":" in host else host
    out.print(f"http://{name}:{listening.getsockname()[1]}  (Ctrl-C ends it)", markup=False, highlight=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        # The server asks again for the signal that ended it, once it has answered what was asked.
        signal.signal(number, lambda *_: None)
    uvicorn.Server(config).run(sockets=[listening])
    out.print("lens: no longer served", markup=False, highlight=False)


def _listen(host: str, port: int | None) -> socket.socket:
    """Return a socket at a port: the one asked for, or the usual, or any that is free.

    Raises:
        ServiceError: the port is taken, or this machine has no such address.
    """
    for number in (USUAL_PORT, 0) if port is None else (port,):
        try:
            return socket.create_server((host, number), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
    raise ServiceError(f"nothing can listen at {host}:{port or 'any port'}: {reason}", "give another --port or --host")
