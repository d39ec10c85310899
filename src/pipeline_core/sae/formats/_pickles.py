"""Checkpoints of torch, zip archives around a pickle: tensors and plain values are read, and no code that they hold."""

from __future__ import annotations

import pickle
import zipfile
import zlib
from collections import defaultdict
from pathlib import Path
from typing import Any

from pipeline_core.errors import ModelError

_INDEX = 1 << 24
"""Bytes of an archive's pickle that are looked at to recognise it: those of autoencoders are a thousandth of it."""


def mentions(path: Path, name: str) -> bool:
    """Say whether the index of a file of torch holds a name, without torch and without running anything."""
    try:
        with zipfile.ZipFile(path) as archive:
            indices = [found for found in archive.namelist() if found.endswith("/data.pkl")]
            return any(name.encode() in archive.open(index).read(_INDEX) for index in indices)
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        return False


def load_plain(path: Path, remedy: str) -> dict[str, Any]:
    """Return what a file of torch holds, an empty mapping where that is no mapping.

    Raises:
        ModelError: it is missing, damaged, or holds more than tensors and plain values.
    """
    import torch

    # Training logs are kept in a defaultdict, which the safe loader knows but will not fill: a dict does.
    log_type = (_log, f"{defaultdict.__module__}.{defaultdict.__qualname__}")
    try:
        with torch.serialization.safe_globals([log_type, list]):
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise ModelError(f"the checkpoint {path} cannot be read: {error.strerror}", remedy) from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, pickle.UnpicklingError):
        raise ModelError(f"the checkpoint {path} cannot be read: it is damaged or unsafe", remedy) from None
    return stored if isinstance(stored, dict) else {}


def tensors_of(mapping: Any) -> dict[str, Any]:
    """Return what of a mapping, if it is one, are tensors by name."""
    import torch

    named = mapping.items() if isinstance(mapping, dict) else ()
    return {name: value for name, value in named if isinstance(value, torch.Tensor)}


def _log(_factory: type[list[Any]]) -> dict[str, Any]:
    return {}
