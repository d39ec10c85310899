"""Bytes and times as people read them."""

_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_TIMES = ((86400, "d"), (3600, "h"), (60, "min"))


def size(n_bytes: float | None) -> str:
    """Return bytes as people read them."""
    if n_bytes is None:
        return "?"
    return next((f"{n_bytes / unit:.3g} {name}" for unit, name in _UNITS if n_bytes >= unit), f"{n_bytes:.0f} B")


def duration(seconds: float | None) -> str:
    """Return a time as people read it."""
    if seconds is None:
        return "?"
    return next((f"{seconds / unit:.3g} {name}" for unit, name in _TIMES if seconds >= unit), f"{seconds:.2g} s")
