"""Autoencoders in numpy's archives: a checkpoint format as another distribution would add it."""

from pathlib import Path

from pipeline_core.sae.formats import Checkpoint, CheckpointFormat, assemble


class Npz(CheckpointFormat):
    """One archive with SAELens's tensors and k."""

    name = "npz"

    def recognise(self, path: Path) -> bool:
        """Go by the name."""
        return path.suffix == ".npz"

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return the archive."""
        return (path,)

    def read(self, path: Path, k: int | None = None) -> Checkpoint:
        """Read a TopK autoencoder that is not centred."""
        import numpy as np
        import torch

        with np.load(path) as archive:
            arrays = dict(archive)
        config = {"k": int(arrays.pop("k")), "apply_b_dec_to_input": False}
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return Checkpoint(assemble("topk", config, tensors, path), self.name, {})


MEMBER = Npz()
