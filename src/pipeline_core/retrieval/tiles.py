"""Tiles of scores, looked through where they lie: by numpy in the processor's memory, by torch on another device."""

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Scores = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


class Tiles(Protocol):
    """How tiles [m, width] of float32 scores are looked through.

    Attributes:
        device: where they lie.
        size: scores held at a time.
        part: scores looked through at a time by one thread.
    """

    device: str
    size: int
    part: int

    def above(self, tile: Tensor, least: Scores) -> Numbers:
        """Return how many scores of each row lie above its limit [m]."""

    def better(self, tile: Tensor, worst: Scores) -> tuple[Numbers, Scores]:
        """Return the places, counted through all rows, of the scores above their row's limit [m], and these scores."""


class InMemory:
    """In the processor's memory."""

    device = "cpu"
    size = 1 << 23
    part = 1 << 20  # in a processor's own cache

    def above(self, tile: Tensor, least: Scores) -> Numbers:
        """Count bits: eight scores at a time."""
        found = np.packbits(tile.numpy() > least[:, None], axis=1)
        return np.bitwise_count(found).sum(axis=1, dtype=np.int64)

    def better(self, tile: Tensor, worst: Scores) -> tuple[Numbers, Scores]:
        """Look at every score once."""
        scores = tile.numpy()
        places = np.flatnonzero(scores > worst[:, None])
        return places, np.take(scores, places)


class OnDevice:
    """On a device of torch's; what is found is brought to the processor, the rest stays."""

    size = part = 1 << 27

    def __init__(self, device: str) -> None:
        """Look there."""
        self.device = device

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
