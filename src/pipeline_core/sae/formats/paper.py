"""The paper's released .pt files: TopK autoencoders of the package overcomplete, with their optimiser and log."""

from __future__ import annotations

import pickle
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from pipeline_core.errors import ModelError
from pipeline_core.sae.formats._kind import Checkpoint, CheckpointFormat, assemble, require

K = 50
"""Active features a vector in the paper; the files do not say."""

_REMEDY = "give a .pt of the paper's release"
_TENSORS = (
    "encoder.final_block.0.weight",
    "encoder.final_block.0.bias",
    "dictionary._weights",
    "dictionary.multiplier",
)


class Paper(CheckpointFormat):
    """One file: epoch, model_state, optimizer_state, logs."""

    name = "paper"

    def recognise(self, path: Path) -> bool:
        """Look for the dictionary's name in the index of a file of torch, a zip archive."""
        try:
            with zipfile.ZipFile(path) as archive:
                indices = [name for name in archive.namelist() if name.endswith("/data.pkl")]
                return any(b"dictionary._weights" in archive.read(name) for name in indices)
        except (OSError, zipfile.BadZipFile):
            return False

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return the file."""
        return (path,)

    def read(self, path: Path, k: int | None = None) -> Checkpoint:
        """Read the file; the dictionary is stored unnormalised: D = rows at unit norm * exp(multiplier).

        There is no decoder bias, and k is 50 unless it is given.
        """
        import torch
        from torch.nn.functional import normalize

        stored = _load(path)
        stored_state = stored.get("model_state")
        named = stored_state.items() if isinstance(stored_state, dict) else ()
        state = {name: tensor for name, tensor in named if isinstance(tensor, torch.Tensor)}
        require(state, _TENSORS, path, "an autoencoder of the paper's release")
        weight, bias, rows, multiplier = (state[name].float() for name in _TENSORS)
        dictionary = normalize(rows) * multiplier.exp()
        tensors = {"W_enc": weight.T, "b_enc": bias, "W_dec": dictionary, "b_dec": torch.zeros(rows.shape[-1])}
        config = {"k": k or K, "apply_b_dec_to_input": False}
        facts = {name: stored[name] for name in ("epoch",) if isinstance(stored.get(name), int)}
        return Checkpoint(assemble("topk", config, tensors, path), self.name, facts)


def _load(path: Path) -> dict[str, Any]:
    import torch

    # The release keeps its training log in a defaultdict, which the safe loader knows but will not fill: a dict does.
    log_type = (_log, f"{defaultdict.__module__}.{defaultdict.__qualname__}")
    try:
        with torch.serialization.safe_globals([log_type, list]):
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"the checkpoint {path} cannot be read: {error.strerror}", _REMEDY) from None
    except (RuntimeError, EOFError, pickle.UnpicklingError):
        raise ModelError(f"the checkpoint {path} cannot be read: it is damaged or unsafe", _REMEDY) from None
    return stored if isinstance(stored, dict) else {}


def _log(_factory: type[list[Any]]) -> dict[str, Any]:
    return {}


MEMBER = Paper()
