"""How many files this process may open: where they are too few, libraries hang, or print lines of their own."""

import resource

from pipeline_core.errors import ServiceError

FEWEST = 64
"""What any command may need; a sweep of every stage opens 45 at once."""

SERVING = 256
"""What visits at once may need, each with a connection and several files."""


def allow_files(needed: int = FEWEST, what: str = "lens") -> None:
    """Let this process, and those that it starts, open as many files as they may.

    Args:
        needed: how many it may need.
        what: what needs them, for the message.

    Raises:
        ServiceError: these are too few.
    """
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < needed:
        raise ServiceError(
            f"no more than {most} files may be open at once here, and {what} may need {needed}",
            "raise the limit of open files (ulimit -n 1024)",
        )
    if now != most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
