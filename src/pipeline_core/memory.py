"""How much memory there is: to the machine, or to the container where that has less."""

from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")
_CGROUP_FILES = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))
"""Limit and use of a container's memory: of version 2 and of version 1."""


def total_memory(cgroup: Path = _CGROUP) -> int:
    """Return the bytes of memory that there are."""
    return min([int(psutil.virtual_memory().total), *(most for most, _ in _limits(cgroup))])


def available_memory(cgroup: Path = _CGROUP) -> int:
    """Return the bytes of memory that are free."""
    return min([int(psutil.virtual_memory().available), *(max(0, most - used) for most, used in _limits(cgroup))])


def _limits(cgroup: Path) -> list[tuple[int, int]]:
    """Return limit and use of the containers that have a limit."""
    found = []
    for names in _CGROUP_FILES:
        try:
            most, used = ((cgroup / name).read_text(encoding="ascii").strip() for name in names)
        except OSError:
            continue
        if most.isdigit():
            found.append((int(most), int(used)))
    return found
