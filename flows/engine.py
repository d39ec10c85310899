"""The process of a flow that a worker starts: Prefect's engine, and a clean end."""

import atexit
import runpy

from flows.exits import ExitStatus


def main() -> None:
    """Carry out the flow run that the environment names."""
    status = ExitStatus()
    atexit.register(status.leave)
    try:
        runpy.run_module("prefect.engine", run_name="__main__")
        status.code = 0
    except SystemExit as end:
        status.take(end)


if __name__ == "__main__":
    main()
