"""The Prefect server of a run: a temporary one ends with the run that started it, one that is named must answer."""

import asyncio
import os
from pathlib import Path
from threading import Event, Thread

from pipeline_core.errors import ConfigError

_PARENT = "LENS_SERVER_OF"
_LOOK_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0


def prepare_server() -> None:
    """Have a temporary server, should Prefect start one, watch this process; before Prefect is imported.

    Raises:
        ConfigError: Prefect has no folder that it can write to.
    """
    # Prefect starts uvicorn, which takes its options from the environment, the maker of its event loop among them.
    os.environ |= {"UVICORN_LOOP": f"{__name__}:new_loop", _PARENT: str(os.getpid())}
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect")
    try:
        home = home.expanduser()
        home.mkdir(parents=True, exist_ok=True)
        writable = os.access(home, os.W_OK)
    except (OSError, RuntimeError):
        writable = False
    if not writable:
        raise ConfigError(
            f"Prefect cannot write to its folder {home}", "set PREFECT_HOME to another, or run with --runner inline"
        )


def check_server() -> None:
    """See that the server answers that Prefect is told to use, if it is told one.

    Raises:
        ConfigError: it does not.
    """
    import httpx  # noqa: PLC0415 - heavy
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415 - heavy

    url = PREFECT_API_URL.value()
    if not url:
        return
    try:
        httpx.get(f"{url}/health", timeout=_PATIENCE_SECONDS).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConfigError(
            f"PREFECT_API_URL is {url}, and no server answers there ({error})",
            "start it, unset the variable, or run with --runner inline",
        ) from None


def new_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of a server, which ends when the process is gone that it serves, however that ended."""
    Thread(target=_end_with_parent, args=(int(os.environ[_PARENT]),), daemon=True).start()
    return asyncio.new_event_loop()


def _end_with_parent(parent: int) -> None:
    tick = Event()
    while os.getppid() == parent:
        tick.wait(_LOOK_SECONDS)
    os._exit(0)
