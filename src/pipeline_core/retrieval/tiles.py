"""Tiles of scores, looked through where they lie: in the processor's memory, or by torch on another device."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from threading import local

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline_core.compiled import compiled, inlined
from pipeline_core.masks import LANES, above, count, lowest, without_lowest

Scores = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]
Bits = npt.NDArray[np.int32]

Keys = npt.NDArray[np.int64]
"""What orders as ranks do, (score descending, candidate ascending): the float's bits above the candidate's."""

EMPTY = int(np.iinfo(np.int64).max)
"""The key of a place that holds no candidate."""

_FEW = 128
"""Queries of one tile, whose product all threads make: shared, each of them would read all candidates."""

_LAST = 0xFFFFFFFF


@dataclass(frozen=True)
class Lists:
    """The best candidates of some queries, and those that have not been held against them yet.

    Attributes:
        depth: how many are listed of each query.
        keys: [q, room]; the first ``depth`` are the best after ``keep_best``.
        used: places of each that are taken [q].
        worst: the score that one must exceed to be listed [q].
    """

    depth: int
    keys: Keys
    used: Numbers
    worst: Scores

    @staticmethod
    def empty(queries: int, depth: int, room: int) -> "Lists":
        """Return lists that hold nothing, with room for what is listed and a whole mask of others at least."""
        keys = np.full((queries, max(room, depth + LANES)), EMPTY)
        return Lists(depth, keys, np.zeros(queries, dtype=np.int64), np.full(queries, -np.inf, dtype=np.float32))

    def of(self, rows: slice) -> "Lists":
        """Return those of some queries, in the same memory."""
        return Lists(self.depth, self.keys[rows], self.used[rows], self.worst[rows])

    def keep_best(self, rows: npt.NDArray[np.bool_] | None = None) -> None:
        """Hold those put aside against the best, of some queries [q] or all: what loses leaves its place."""
        some = np.flatnonzero(self.used >= self.depth if rows is None else rows & (self.used >= self.depth))
        # In one call: between two, threads that do the same hand each other the interpreter. Places that are not taken
        # hold what lost before, or nothing.
        if len(some) == len(self.keys):
            self.keys.partition(self.depth - 1, axis=1)
        else:
            own = self.keys[some]
            own.partition(self.depth - 1, axis=1)
            self.keys[some] = own
        self.worst[some] = scores_of(self.keys[some, self.depth - 1])
        self.used[some] = self.depth


class Tiles(ABC):
    """How tiles [m, width] of float32 scores are looked through, one at a time by each thread.

    Attributes:
        size: scores that threads hold at a time, together, unless one row has more.
    """

    size: int

    def __init__(self, device: str = "cpu") -> None:
        """Make tiles on a device."""
        self.device = device
        self._kept = local()

    def tile(self, rows: int, width: int) -> Tensor:
        """Return a tile, in the place of the last of the same thread."""
        # Kept: to be given new memory each time costs as much as to look through it.
        if not hasattr(self._kept, "space") or len(self._kept.space) < rows * width:
            self._kept.space = torch.empty(rows * width, device=self.device)
        space: Tensor = self._kept.space[: rows * width]
        return space.view(rows, width)

    def shares(self, queries: int, width: int) -> list[slice]:
        """Return which queries have a tile of a width at a time: one for all threads, or as many for one as another."""
        threads = torch.get_num_threads() if queries > _FEW else 1
        rows = -(-queries // (threads * -(-queries // max(threads, self.size // width))))
        return [slice(start, min(start + rows, queries)) for start in range(0, queries, rows)]

    @abstractmethod
    def above(self, tile: Tensor, least: Scores) -> Numbers:
        """Return how many scores of each row lie above its limit [m]."""

    @abstractmethod
    def look(self, tile: Tensor, start: int, first: Keys, lists: Lists) -> Numbers:
        """Count and list in one pass.

        Args:
            tile: scores of candidates ``start``, ``start + 1``, ...
            start: as told.
            first: the key of each row's first relevant candidate [m], which may lie elsewhere, or ``EMPTY``.
            lists: those of the tile's rows. What is better than the worst listed is put aside; of equals those added
                first stay.

        Returns:
            How many candidates of the tile rank above each row's first relevant one [m].
        """


class InMemory(Tiles):
    """In the processor's memory."""

    size = 1 << 23

    def above(self, tile: Tensor, least: Scores) -> Numbers:
        """Look at every score once."""
        found = np.zeros(len(least), dtype=np.int64)
        _count_above(tile.numpy(), least, found)
        return found

    def look(self, tile: Tensor, start: int, first: Keys, lists: Lists) -> Numbers:
        """Read every score once."""
        scores, found, at = tile.numpy(), np.zeros(len(first), dtype=np.int64), np.zeros(len(first), dtype=np.int64)
        level, before = _levels(first), np.clip(candidates_of(first) - start, 0, scores.shape[1])
        while True:
            _look(scores, start, level, before, found, lists.worst, lists.keys, lists.used, at)
            full = at < scores.shape[1]
            if not full.any():
                return found
            lists.keep_best(full)


class OnDevice(Tiles):
    """On a device of torch's; what is found is brought to the processor, the rest stays."""

    size = 1 << 27

    def above(self, tile: Tensor, least: Scores) -> Numbers:
        """Count on the device."""
        return np.asarray((tile > self._limits(least)).sum(dim=1).cpu().numpy())

    def look(self, tile: Tensor, start: int, first: Keys, lists: Lists) -> Numbers:
        """Count and find on the device."""
        n, width = tile.shape
        places = (tile > self._limits(lists.worst)).flatten().nonzero().flatten()
        scores, found = tile.flatten()[places].cpu().numpy(), places.cpu().numpy()
        bounds = np.searchsorted(found, np.arange(n + 1) * width)
        at, candidates = bounds[:-1].copy(), found % width + start
        while True:
            _take(scores, candidates, bounds[1:], lists.worst, lists.keys, lists.used, at)
            full = at < bounds[1:]
            if not full.any():
                return self._ranked_above(tile, start, first)
            lists.keep_best(full)

    def _ranked_above(self, tile: Tensor, start: int, first: Keys) -> Numbers:
        """Count better scores, and equals of a lower row."""
        width = tile.shape[1]
        level, before = _levels(first), np.clip(candidates_of(first) - start, 0, width)
        # Above the next lower number are better scores and equals.
        lower = np.nextafter(level, np.float32(-np.inf))
        found = self.above(tile, np.where(before == width, lower, level))
        inside = np.flatnonzero((before > 0) & (before < width))
        own = tile[torch.from_numpy(inside).to(tile.device)]
        # Of a row with its relevant candidate inside, that is an equal, too.
        tied = np.flatnonzero(self.above(own, lower[inside]) - found[inside] > 1)
        rows = inside[tied]
        equals = own[torch.from_numpy(tied).to(tile.device)].cpu().numpy() == level[rows, None]
        found[rows] += (equals & (np.arange(width) < before[rows, None])).sum(axis=1)
        return found

    def _limits(self, limits: Scores) -> Tensor:
        return torch.from_numpy(limits).to(self.device)[:, None]


def tiles_on(device: str) -> Tiles:
    """Return how tiles on a device (cpu, cuda, cuda:1, ...) are looked through."""
    return InMemory() if device == "cpu" else OnDevice(device)


def keys_of(scores: Scores, candidates: Numbers) -> Keys:
    """Return the keys [m] of candidates."""
    bits = (scores + np.float32(0.0)).view(np.int32)
    return (~_flipped(bits)).astype(np.int64) << 32 | candidates


def scores_of(keys: Keys) -> Scores:
    """Return the scores [m] of keys."""
    return _flipped(~(keys >> 32).astype(np.int32)).view(np.float32)


def candidates_of(keys: Keys) -> Numbers:
    """Return the candidates [m] of keys."""
    return keys & _LAST


def _levels(first: Keys) -> Scores:
    """Return the scores [m] of first relevant candidates, infinite where there is none."""
    return np.where(first == EMPTY, np.float32(np.inf), scores_of(first))


def _flipped(bits: Bits) -> Bits:
    """Turn the bits of floats into numbers in the same order, and back: those of negative ones run the other way."""
    return bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))


@compiled
def _count_above(scores: Scores, least: Scores, found: Numbers) -> None:
    for row in range(len(scores)):
        for start in range(0, scores.shape[1], LANES):
            found[row] += count(above(scores[row], start, least[row]))


@inlined
def _key(bits: np.int32, candidate: int) -> np.int64:
    # Minus zero is zero.
    plain = np.int32(0) if bits == np.int32(-2147483648) else bits
    return np.int64(~(plain ^ ((plain >> 31) & np.int32(0x7FFFFFFF)))) << 32 | candidate


@compiled
def _look(
    scores: Scores,
    start: int,
    level: Scores,
    before: Numbers,
    found: Numbers,
    worst: Scores,
    keys: Keys,
    used: Numbers,
    at: Numbers,
) -> None:
    """Go on in each row where it stopped, ``at``: at its end, or where its list has no room for a whole mask."""
    room, width = keys.shape[1], scores.shape[1]
    for row in range(len(scores)):
        own, bits, listed = scores[row], scores[row].view(np.int32), keys[row]
        limit, line, place, free, ranked = worst[row], before[row], at[row], used[row], 0
        equal, better = np.nextafter(level[row], np.float32(-np.inf)), level[row]
        while place < width and free <= room - LANES:
            higher = above(own, place, equal if place < line else better)
            if place < line < place + LANES:
                earlier = np.uint32((1 << (line - place)) - 1)
                higher = np.uint32(higher & earlier) | np.uint32(above(own, place, better) & ~earlier)
            ranked += count(higher)
            good = above(own, place, limit)
            while good:
                one = place + lowest(good)
                listed[free] = _key(bits[one], start + one)
                free += 1
                good = without_lowest(good)
            place += LANES
        at[row], used[row] = place, free
        found[row] += ranked


@compiled
def _take(
    scores: Scores, candidates: Numbers, ends: Numbers, worst: Scores, keys: Keys, used: Numbers, at: Numbers
) -> None:
    """Go on in each row where it stopped, ``at``: at its end, or where its list is full."""
    bits, room = scores.view(np.int32), keys.shape[1]
    for row in range(len(ends)):
        place, free = at[row], used[row]
        while place < ends[row] and free < room:
            if scores[place] > worst[row]:
                keys[row, free] = _key(bits[place], candidates[place])
                free += 1
            place += 1
        at[row], used[row] = place, free
