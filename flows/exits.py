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
        """End the process now, with everything printed that can be."""
        for stream in (sys.stdout, sys.stderr):
            try:
                if stream is not None:  # it is where the command began with it closed
                    stream.flush()
            except (OSError, ValueError):  # what it held has nowhere to go
                self.code = self.code or 1
        os._exit(self.code)
