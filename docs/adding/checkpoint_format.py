"""How to add a checkpoint format: a NumPy archive with the arrays encoder [S, D], bias [S], decoder [S, D] and k.

A format says whether it recognises a path, which files it reads (they are the autoencoder's identity), and turns them
into an architecture's tensors under SAELens's names; `write` goes the other way, where a format can. Then
`lens run --set 'sae=[{from: FILE.npz}]'` works.
"""

import zipfile
from pathlib import Path

import numpy as np

from pipeline_core.sae.formats import Checkpoint, CheckpointFormat, assemble, require

_ARRAYS = ("encoder", "bias", "decoder", "k")


class Npz(CheckpointFormat):
    """One file."""

    name = "npz"

    def recognise(self, path: Path) -> bool:
        """Look at the names in the archive."""
        try:
            with zipfile.ZipFile(path) as archive:
                return {f"{name}.npy" for name in _ARRAYS} <= set(archive.namelist())
        except (OSError, zipfile.BadZipFile):
            return False

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return the file."""
        return (path,)

    def read(self, path: Path, k: int | None = None) -> Checkpoint:
        """Read the arrays; pickles are refused."""
        import torch

        with np.load(path, allow_pickle=False) as stored:
            require(dict(stored), _ARRAYS, path, "an autoencoder")
            encoder, bias, decoder = (torch.from_numpy(stored[name]) for name in _ARRAYS[:3])
            config = {"k": k or int(stored["k"]), "apply_b_dec_to_input": False}
        tensors = {"W_enc": encoder.T, "b_enc": bias, "W_dec": decoder, "b_dec": torch.zeros(decoder.shape[1])}
        return Checkpoint(assemble("topk", config, tensors, path), self.name, {})


MEMBER = Npz()
