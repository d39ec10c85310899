"""The Prefect server of a run: a temporary one ends with its run, one that is named must answer; runs outlive both."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from flows.terminal import complain, err
from pipeline_core.errors import ConfigError, LensError

_PARENT = "LENS_SERVER_OF"
_LOOK_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0
_REFUSALS = 6
"""Looks in a row, so many seconds apart as one is waited for, after which a server that is named is not coming back."""


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


def temporary_server() -> "subprocess.Popen[bytes] | None":
    """Start the server that Prefect would start for a run; None where it is told to use one."""
    from prefect.server.api.server import SubprocessASGIServer  # noqa: PLC0415 - heavy
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415 - heavy

    if PREFECT_API_URL.value():
        return None
    server = SubprocessASGIServer()  # there is one in a process, which all of Prefect's clients then find
    server.start()
    return server.server_process


@contextmanager
def outlived(temporary: "subprocess.Popen[bytes] | None") -> Iterator[None]:
    """Have a command go on when its server dies: it takes this process over, as the same command without a server.

    Prefect would wait minutes for what is gone and then fail every step. What was finished is in the store, and so are
    the parts of the step under way: going on costs what a stop at that moment costs.

    Args:
        temporary: the server; None: the one that is named.
    """
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415 - heavy

    over, url = Event(), str(PREFECT_API_URL.value())

    def watch() -> None:
        if temporary is None:
            _wait_for_refusals(url, over)
        else:
            temporary.wait()
        if not over.is_set():
            _go_on()

    Thread(target=watch, daemon=True).start()
    try:
        yield
    except Exception as error:
        if temporary is None and not isinstance(error, LensError) and _refuses(url):
            _go_on()
        raise
    finally:
        over.set()


def _go_on() -> None:
    err.show_cursor()
    complain("the Prefect server is gone; the run goes on without one, from what is in the store", style=None)
    os.execv(sys.executable, [*sys.orig_argv, "--runner", "inline"])  # noqa: S606 - the same command


def _wait_for_refusals(url: str, over: Event) -> None:
    """Return when nobody has listened at an address for a while: a server that is busy, or started anew, is none."""
    refused = 0
    while refused < _REFUSALS and not over.wait(_PATIENCE_SECONDS):
        refused = refused + 1 if _refuses(url) else 0


def _refuses(url: str) -> bool:
    import httpx  # noqa: PLC0415 - heavy

    try:
        httpx.get(f"{url}/health", timeout=_PATIENCE_SECONDS)
    except httpx.ConnectError:
        return True
    except httpx.HTTPError:
        pass
    return False


def new_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of a server, which ends when the process is gone that it serves, however that ended."""
    Thread(target=_end_with_parent, args=(int(os.environ[_PARENT]),), daemon=True).start()
    return asyncio.new_event_loop()


def _end_with_parent(parent: int) -> None:
    tick = Event()
    while os.getppid() == parent:
        tick.wait(_LOOK_SECONDS)
    os._exit(0)
