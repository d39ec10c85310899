"""How many files a process that serves may open: too few, and it hangs while it tells of each in its log."""

import resource

from pipeline_core.errors import ServiceError

ENOUGH = 256
"""What visits at once may need, each with a connection and several files."""


def allow_files() -> None:
    """Let this process, and those that it starts, open as many files as they may.

    Raises:
        ServiceError: these are too few.
    """
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < ENOUGH:
        raise ServiceError(
            f"no more than {most} files may be open at once here, and serving may need {ENOUGH}",
            "raise the limit of open files (ulimit -n 1024)",
        )
    if now != most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
