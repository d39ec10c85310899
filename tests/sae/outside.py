"""Members of other distributions, while a test runs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline_core.registry import GROUP, Registry


@contextmanager
def installed(registry: Registry[Any], place: Path, name: str, value: str) -> Iterator[None]:
    """Put a distribution with one entry point on the path; the registry looks again before and after."""
    info = place / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}.{registry.kind}]\n{name} = {value}\n")
    sys.path.insert(0, str(place))
    vars(registry).pop("_outside", None)
    try:
        yield
    finally:
        sys.path.remove(str(place))
        vars(registry).pop("_outside", None)
