"""A clean end of the process, in spite of threads that outlive the interpreter's teardown."""

import os
import sys


class ExitStatus:
    """What the process will exit with: 1, an unexpected error, until something better is known.

    ``leave`` is to be registered with atexit before anything else, so that it runs last. Prefect's threads outlive the
    interpreter's teardown, which native libraries answer with pages of warnings; leaving at once avoids both.
    """

    def __init__(self) -> None:
        self.code = 1

    def take(self, end: SystemExit) -> None:
        """Keep what exit was called with: nothing is success, and words are a failure, as Python has it."""
        self.code = end.code if isinstance(end.code, int) else int(end.code is not None)

    def leave(self) -> None:
        """End the process now, with everything printed."""
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.code)
