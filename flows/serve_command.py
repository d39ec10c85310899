"""The command ``lens serve``: the pages of a store, on this machine."""

import os
import signal
import socket
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer

from flows.open_files import SERVING, allow_files
from flows.options import StoreOption, existing_store
from flows.stopping import ends_by_itself
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
    serve_pages(existing_store(store), host, port)


def serve_pages(root: Path, host: str = "127.0.0.1", port: int | None = None, opened: str | None = None) -> None:
    """Serve a store until somebody ends it.

    Args:
        root: the store.
        host: the address.
        port: that it listens at; by default the usual, or any that is free.
        opened: the path of a page that the browser is to open; None: none.

    Raises:
        ServiceError: it cannot listen there, or open as many files as it may need.
    """
    allow_files(SERVING, "serving")
    listening = _listen(host, port)
    import uvicorn

    from pipeline_core.app.server import create_app

    config = uvicorn.Config(
        create_app(root), log_level="warning", timeout_graceful_shutdown=1, server_header=False, lifespan="off"
    )
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{listening.getsockname()[1]}"
    out.print(f"{address}  (Ctrl-C ends it)", markup=False, highlight=False)
    if opened is not None:
        # A browser in the terminal is waited for, and needs pages meanwhile.
        Thread(target=open_page, args=(address + opened,), daemon=True).start()
    with ends_by_itself():
        for number in (signal.SIGINT, signal.SIGTERM):
            # The server asks again for the signal that ended it, once it has answered what was asked.
            signal.signal(number, lambda *_: None)
        uvicorn.Server(config).run(sockets=[listening])
    out.print("lens: no longer served", markup=False, highlight=False)


def open_page(address: str) -> None:
    """Open a page in the browser, or say that there is none."""
    import webbrowser

    if not webbrowser.open(address):
        out.print("There is no browser here: open it where there is one.", markup=False, highlight=False)


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
