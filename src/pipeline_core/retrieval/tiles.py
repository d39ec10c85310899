"""Tiles of scores, looked through where they lie: by numpy in the processor's memory, by torch on another device."""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Scores = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


class Tiles(ABC):
    """How tiles [m, width] of float32 scores are looked through, one at a time.

    Attributes:
        size: scores held at a time.
        part: scores looked through at a time by one thread.
    """

    size: int
    part: int

    def __init__(self, device: str = "cpu") -> None:
        """Make tiles on a device."""
        self.device = device
        self._space = torch.empty(0, device=device)

    def tile(self, rows: int, width: int) -> Tensor:
        """Return a tile, in the place of the last."""
        if self._space.numel() < rows * width:
            # Kept: to be given new memory each time costs as much as to look through it.
            self._space = torch.empty(rows * width, device=self.device)
        return self._space[: rows * width].view(rows, width)

    @abstractmethod
    def above(self, tile: Tensor, least: Scores) -> Numbers:
        """Return how many scores of each row lie above its limit [m]."""

    @abstractmethod
    def better(self, tile: Tensor, worst: Scores) -> tuple[Numbers, Scores]:
        """Return the places, counted through all rows, of the scores above their row's limit [m], and these scores."""


class InMemory(Tiles):
    """In the processor's memory."""

    size = 1 << 23
    part = 1 << 20  # in a processor's own cache

    def above(self, tile: Tensor, least: Scores) -> Numbers:
        """Count bits: eight scores at a time."""
        found = np.packbits(tile.numpy() > least[:, None], axis=1)
        return np.asarray(np.bitwise_count(found).sum(axis=1, dtype=np.int64))

    def better(self, tile: Tensor, worst: Scores) -> tuple[Numbers, Scores]:
        """Look at every score once."""
        scores = tile.numpy()
        places = np.flatnonzero(scores > worst[:, None])
        return places, np.take(scores, places)


class OnDevice(Tiles):
    """On a device of torch's; what is found is brought to the processor, the rest stays."""

    size = part = 1 << 27

    def above(self, tile: Tensor, least: Scores) -> Numbers:
        """Count on the device."""
        return np.asarray((tile > self._limits(least)).sum(dim=1).cpu().numpy())

    def better(self, tile: Tensor, worst: Scores) -> tuple[Numbers, Scores]:
        """Find on the device."""
        places = (tile > self._limits(worst)).flatten().nonzero().flatten()
        return places.cpu().numpy(), tile.flatten()[places].cpu().numpy()

    def _limits(self, limits: Scores) -> Tensor:
        return torch.from_numpy(limits).to(self.device)[:, None]


def tiles_on(device: str) -> Tiles:
    """Return how tiles on a device (cpu, cuda, cuda:1, ...) are looked through."""
    return InMemory() if device == "cpu" else OnDevice(device)
