"""Where two configs differ, field by field."""

from collections.abc import Iterable, Iterator
from typing import Any

_SHOWN = 2

ABSENT = "–"
"""What stands for a field that one of them lacks."""

Change = tuple[str, Any, Any]
"""Place of a field, ``adaptations.realign.beta``, its value before, and its value now."""


def changed(now: Any, before: Any, place: str = "") -> Iterator[Change]:
    """Go through what differs between two configs, or parts of them: JSON values, at the place ``place``."""
    if isinstance(now, dict) and isinstance(before, dict):
        for field in (*now, *(field for field in before if field not in now)):
            inner = f"{place}.{field}" if place else field
            yield from changed(now.get(field, ABSENT), before.get(field, ABSENT), inner)
    elif isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        for number, pair in enumerate(zip(now, before, strict=True)):
            yield from changed(*pair, f"{place}.{number}")
    elif now != before:
        yield place, before, now


def in_short(changes: Iterable[Change]) -> list[str]:
    """Return the first changes as ``place=value``, and how many more there are; fields that are gone are left out."""
    told = [f"{place}={now}" for place, _, now in changes if now is not ABSENT]
    return [*told[:_SHOWN], *([f"{len(told) - _SHOWN} more"] if len(told) > _SHOWN else [])]
