"""What an interrupted training continues from: weights, optimiser, activity of features and log, in one atomic file.

The order of the tokens needs no saving: it follows from the seed and the epoch.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import torch

from pipeline_core.sae.architectures import Sae

CHECKPOINT = "checkpoint.pt"


@dataclass
class TrainingState:
    """Everything that changes while an autoencoder learns.

    Attributes:
        sae: the autoencoder.
        optimizer: of those of its tensors that learn.
        last_positive: [S] step at which each feature last had a positive code, 0 for never.
        step: steps done.
        log: one row a step, in the columns of the table sae_training.
    """

    sae: Sae
    optimizer: torch.optim.Optimizer
    last_positive: torch.Tensor
    step: int = 0
    log: list[dict[str, float]] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Replace the folder's checkpoint; a kill at any moment leaves the old one or the new one."""
        unfinished = folder / f"{CHECKPOINT}.partial"
        with unfinished.open("wb") as file:
            torch.save(
                {
                    "sae": {name: tensor.detach() for name, tensor in self.sae.state().items()},
                    "optimizer": self.optimizer.state_dict(),
                    "last_positive": self.last_positive,
                    "step": self.step,
                    "log": self.log,
                },
                file,
            )
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(folder / CHECKPOINT)

    def restore(self, folder: Path) -> None:
        """Continue from the folder's checkpoint, if there is one."""
        path = folder / CHECKPOINT
        if not path.is_file():
            return
        stored = torch.load(path, weights_only=True)
        for name, tensor in self.sae.state().items():
            tensor.detach().copy_(stored["sae"][name])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.last_positive = stored["last_positive"]
        self.step = stored["step"]
        self.log = stored["log"]
