"""Vectors too many to hold: written once into a file without a name, and read from there by rows."""

import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import numpy.typing as npt

Some = slice | npt.NDArray[np.int64] | tuple[slice, slice]
"""Rows, or a part of them."""

_SHARE = 4
"""A representation may take this part of a step's memory: two may be open, beside what is made of them."""


@dataclass(frozen=True)
class Room:
    """Memory that a step may take, bytes, and the folder whose disk holds what finds no room there."""

    memory: int
    folder: Path

    @property
    def share(self) -> int:
        """Bytes that one of the few things may take which are held at a time."""
        return self.memory // _SHARE

    def holds(self, shape: tuple[int, int]) -> bool:
        """Say whether vectors [n, d], float32, may be held."""
        return 4 * shape[0] * shape[1] <= self.share


class SpilledVectors:
    """An array [n, d], float32, on the disk; the file goes with the process, however that ends."""

    def __init__(self, shape: tuple[int, int], room: Room) -> None:
        """Make a file for vectors [n, d]."""
        self.shape = shape
        with TemporaryFile(dir=room.folder) as file:
            os.ftruncate(file.fileno(), 4 * shape[0] * shape[1])
            self._map = mmap.mmap(file.fileno(), 0)
        self._vectors = np.frombuffer(self._map, dtype=np.float32).reshape(shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, some: Some) -> npt.NDArray[np.float32]:
        found = np.array(self._vectors[some])
        self._forget()
        return found

    def __setitem__(self, some: Some, vectors: npt.NDArray[np.float32]) -> None:
        self._vectors[some] = vectors
        self._forget()

    def _forget(self) -> None:
        # What was read or written stays in the system's cache, which is free to drop it, and counts as ours no more.
        self._map.madvise(mmap.MADV_DONTNEED)


def space_for(shape: tuple[int, int], room: Room | None) -> npt.NDArray[np.float32] | SpilledVectors:
    """Return space for vectors [n, d]: in memory where there is room, without ``room`` always; else on the disk."""
    return np.empty(shape, dtype=np.float32) if room is None or room.holds(shape) else SpilledVectors(shape, room)
