"""Formats that trained autoencoders are kept in: a file each, which recognises, reads and, where it can, writes."""

from pathlib import Path

from pipeline_core.errors import ModelError
from pipeline_core.registry import Registry
from pipeline_core.sae.formats._kind import Checkpoint, CheckpointFormat, Provenance, assemble, check_shapes, require

__all__ = [
    "FORMATS",
    "Checkpoint",
    "CheckpointFormat",
    "Provenance",
    "assemble",
    "check_shapes",
    "find_format",
    "read_any",
    "require",
]

FORMATS: Registry[CheckpointFormat] = Registry("checkpoint_format", __name__)


def find_format(path: Path) -> CheckpointFormat:
    """Return the first format that recognises a file or folder.

    Raises:
        ModelError: there is nothing at that path, or no format recognises it.
    """
    if not path.exists():
        raise ModelError(f"there is no autoencoder at {path}", "give a file or a folder")
    for kind in FORMATS.values():
        if kind.recognise(path):
            return kind
    raise ModelError(f"no format of autoencoders recognises {path}", f"known formats: {', '.join(FORMATS)}")


def read_any(path: Path, k: int | None = None) -> Checkpoint:
    """Read a trained autoencoder in whatever format it is kept.

    Args:
        path: file or folder.
        k: active features a vector, for formats that do not say.

    Raises:
        ModelError: no format recognises it, or it cannot be read or used.
    """
    return find_format(path).read(path, k)
