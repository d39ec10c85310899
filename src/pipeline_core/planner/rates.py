"""How fast this machine was found to be, kept in the user's cache: what ``lens bench`` measures and estimates use."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile

from pipeline_core.placement import Placement
from pipeline_core.user_cache import user_cache


@dataclass(frozen=True)
class Rates:
    """What was measured, with as many threads as a placement has.

    Attributes:
        measured: date.
        flops: float32 operations a second that a matrix product reaches on the CPU.
        extraction: two operations a weight and token, a second, of extraction with the reference model.
        training: operations a second of the encoder's product, of whole training steps.
        disk: bytes a second that are written to the store's disk for good and read again.
        libraries: bytes of a process that has loaded a model, without its weights.
    """

    measured: str
    flops: float
    extraction: float
    training: float
    disk: float
    libraries: float


def kept_at(placement: Placement) -> Path:
    """Return the file in the user's cache that keeps what is measured for a placement."""
    return user_cache("rates") / f"{placement.device.replace(':', '-')}-{placement.threads}.json"


def check_kept(placement: Placement) -> None:
    """See that what will be measured can be kept.

    Raises:
        OSError: it cannot.
    """
    with TemporaryFile(dir=_place(placement).parent):
        pass


def keep_rates(rates: Rates, placement: Placement) -> Path:
    """Keep what was measured in place of what was before; return where."""
    path = _place(placement)
    unfinished = path.with_suffix(".partial")
    unfinished.write_text(json.dumps(asdict(rates), indent=1) + "\n", encoding="utf-8")
    return unfinished.replace(path)


def kept_rates(placement: Placement) -> Rates | None:
    """Return what was measured for such a placement; None if nothing was, or not what is measured today."""
    try:
        return Rates(**json.loads(kept_at(placement).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _place(placement: Placement) -> Path:
    path = kept_at(placement)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
