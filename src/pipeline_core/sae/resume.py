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
        last_positive: [S] step at which each feature last had a positive code, 0 for never.
        step: steps done.
        log: one row a step, in the columns of the table sae_training; until it is saved, numbers that the device may
            still owe.
        optimizer: of those of its tensors that learn, where they are.
    """

    sae: Sae
    last_positive: torch.Tensor
    step: int = 0
    log: list[dict[str, float | torch.Tensor]] = field(default_factory=list)
    optimizer: torch.optim.Optimizer = field(init=False)

    def move(self, device: str) -> None:
        """Move all tensors but the optimiser's to a device; they stay the tensors that they are."""
        for tensor in self.sae.state().values():
            tensor.data = tensor.data.to(device)
        self.last_positive = self.last_positive.to(device)

    def save(self, folder: Path) -> None:
        """Replace the folder's checkpoint; a kill at any moment leaves the old one or the new one."""
        for row in self.log:
            row |= {name: number.item() for name, number in row.items() if isinstance(number, torch.Tensor)}
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
        stored = torch.load(path, weights_only=True, map_location="cpu")
        for name, tensor in self.sae.state().items():
            tensor.detach().copy_(stored["sae"][name])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.last_positive.copy_(stored["last_positive"])
        self.step = stored["step"]
        self.log = stored["log"]
