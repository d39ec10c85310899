"""Shipped configs, by name."""

from pathlib import Path

PRESETS = Path(__file__).parent


def preset_names() -> list[str]:
    """Return the names of the shipped presets."""
    return sorted(path.relative_to(PRESETS).with_suffix("").as_posix() for path in PRESETS.rglob("*.yaml"))
