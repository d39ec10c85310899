"""Systems run on one task: each fitted, applied to both sides of a pool, and searched; kin share what they can."""

import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from pipeline_core.activations.spilled import Room
from pipeline_core.activations.vectors import Matrix
from pipeline_core.retrieval.adaptations import ADAPTATIONS, Adapted, System
from pipeline_core.retrieval.fitting import SIDES, TaskStatistics, TaskVectors, fit
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.maps import save_maps
from pipeline_core.retrieval.search import SearchResult, ranking_bytes
from pipeline_core.retrieval.systems import system_id


def run_systems(
    model: str,
    systems: Iterable[System],
    vectors: TaskVectors,
    pool: Pool,
    depth: int,
    room: Room | None = None,
    device: str = "cpu",
) -> dict[str, SearchResult]:
    """Search one pool by every system that the task has queries to fit on, in one pass over its candidates.

    Args:
        model: the model, first part of every system id.
        systems: what to run.
        vectors: raw vectors of the pool's task.
        pool: the queries, candidates and judgements of one split.
        depth: length of the result lists.
        room: where what all systems hold takes more than a share of it, there are several passes, as `at_once` says.
        device: where scores are made.

    Returns:
        The result of each system by its id.

    Raises:
        DataError: too few vectors to fit on.
    """
    queries, candidates = np.asarray(vectors.of(pool.split, "queries")), vectors.of(pool.split, "candidates")
    results: dict[str, SearchResult] = {}
    for families in _passes(systems, vectors, at_once(room, queries, depth)):
        fitted = [adapted(family, vectors, pool.split, queries) for family in families]
        found = pool.search(*together(fitted), candidates, depth, device)
        names = [system_id(model, system) for family in families for system in family]
        results |= zip(names, found, strict=True)
    return results


def at_once(room: Room | None, queries: Matrix, depth: int) -> int:
    """Return how many systems may be searched in one pass: as many as a share of the room holds, or one.

    Args:
        room: what may be held; None: any number.
        queries: those of the pool [q, d], which every system has in its own way.
        depth: length of the result lists.
    """
    # Its queries, what is found for them, and the matrix of its map.
    held = queries.nbytes + ranking_bytes(len(queries), depth) + 4 * queries.shape[1] ** 2
    return sys.maxsize if room is None else max(1, room.share // held)


def adapted(family: Sequence[System], vectors: TaskVectors, split: str, queries: Matrix) -> Adapted:
    """Fit kin for a split of a task, and map its queries [q, d].

    Raises:
        DataError: too few vectors to fit on.
    """
    statistics = TaskStatistics(vectors, family[0], split)
    return ADAPTATIONS[family[0].adaptation].adapted(family, statistics, queries)


def kin(systems: Iterable[System], vectors: TaskVectors) -> list[list[System]]:
    """Return the systems that can be fitted, those that share what they can together."""
    families: dict[Hashable, list[System]] = {}
    for system in filter(vectors.can_fit, systems):
        key = system.adaptation, ADAPTATIONS[system.adaptation].kin(system)
        families.setdefault(key, []).append(system)
    return list(families.values())


def together(parts: Sequence[Adapted]) -> tuple[list[Matrix], Callable[[Matrix], Iterable[Matrix]]]:
    """Return the queries of all systems, and what maps candidates to those of each."""
    queries = [own for part in parts for own in part.queries]
    return queries, lambda block: chain.from_iterable(part.candidates(block) for part in parts)


def _passes(systems: Iterable[System], vectors: TaskVectors, most: int) -> Iterator[list[list[System]]]:
    """Yield the families of each pass: of so many systems at most; a larger one comes in parts."""
    now: list[list[System]] = []
    for family in kin(systems, vectors):
        for part in (family[start : start + most] for start in range(0, len(family), most)):
            if now and sum(map(len, now)) + len(part) > most:
                yield now
                now = []
            now.append(part)
    if now:
        yield now


def save_fitted(folder: Path, systems: Iterable[System], vectors: TaskVectors) -> None:
    """Write ``<task>.safetensors``: systems as fitted for the test split, ``<short>/queries`` and ``.../candidates``.

    What fits nothing (the raw embedding) is left out, and what the task has no queries to fit on.

    Raises:
        DataError: too few vectors to fit on.
    """
    fitted = {
        f"{system.short}/{side}": own
        for system in systems
        if (system.fit_on is not None or system.basis is not None) and vectors.can_fit(system)
        for side, own in zip(SIDES, fit(system, vectors, "test"), strict=True)
    }
    save_maps(folder / f"{vectors.task_id}.safetensors", fitted)
