"""The most memory that this process held since it was asked to look."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

_KIBI = 1024
_BYTES_PER_UNIT = 1 if sys.platform == "darwin" else _KIBI
_FORGET = "5"
"""What makes Linux forget the peak so far."""


def forget_peak() -> None:
    """Measure from here on; where the system cannot, the peak is that of the process's whole life."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text(_FORGET, encoding="ascii")


def peak_memory() -> int:
    """Return the highest resident memory since ``forget_peak``, bytes."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * _KIBI
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _BYTES_PER_UNIT
