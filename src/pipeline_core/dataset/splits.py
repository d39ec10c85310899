"""Splits that nothing leaks through: whole groups, drawn by hash, in the same shares of every stratum.

Train and test never move: published weights are trained on train, and scores are compared on test. A seed redraws only
which of the held-out groups are support and which validation.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SPLITS = ("train", "support", "validation", "test")

LEARNT = ("train", "support")
"""The splits that statistics of features come from, and with them what is chosen to be removed."""

_FIXED_SHARES = {"test": 0.2, "train": 0.6, "held_out": 0.2}
_HELD_OUT_SHARES = {"support": 0.5, "validation": 0.5}


@dataclass(frozen=True)
class Group:
    """A unit of the split: its name, the stratum it is drawn from, and its number of items."""

    name: str
    stratum: str
    size: int


def measured_on(splits: Iterable[str]) -> tuple[str, ...]:
    """Return the splits that features are measured on: ``LEARNT``, or test where nothing is in these.

    Measured on test, they say what an autoencoder's features are; nothing may be chosen by them.
    """
    return ("test",) if set(LEARNT).isdisjoint(splits) else LEARNT


def furthest_from_training(splits: Iterable[str]) -> str:
    """Return the split in which what several of them need cannot leak into training or choices."""
    return max(splits, key=SPLITS.index)


def stable_order(seed: int | str, name: str) -> str:
    """Return a key that sorts names in a random order which is the same on every machine and in every process."""
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()


def _cut(groups: Iterable[Group], shares: Mapping[str, float], seed: int | str) -> dict[str, list[Group]]:
    """Lay the groups of each stratum end to end in random order; the part that a group's middle lies in is its own."""
    strata: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        strata[group.stratum].append(group)
    parts: dict[str, list[Group]] = {part: [] for part in shares}
    for members in strata.values():
        total = sum(group.size for group in members)
        position = 0.0
        for group in sorted(members, key=lambda g: stable_order(seed, g.name)):
            middle = (position + group.size / 2) / total
            position += group.size
            ends = 0.0
            for part, share in shares.items():
                ends += share
                if middle < ends or part == list(shares)[-1]:
                    parts[part].append(group)
                    break
    return parts


def assign_splits(groups: Iterable[Group], seed: int) -> dict[str, str]:
    """Return the split of each group: by items about 60% train, 10% support, 10% validation, 20% test of each stratum.

    Args:
        groups: groups with distinct names and sizes of at least 1.
        seed: decides between support and validation only.
    """
    fixed = _cut(groups, _FIXED_SHARES, "fixed")
    held_out = draw_held_out(fixed.pop("held_out"), seed)
    return {group.name: split for split, members in fixed.items() for group in members} | held_out


def draw_held_out(groups: Iterable[Group], seed: int) -> dict[str, str]:
    """Return the split of each held-out group: by items half support, half validation, of each stratum."""
    return {group.name: split for split, members in _cut(groups, _HELD_OUT_SHARES, seed).items() for group in members}
