"""Systems run on one task: each fitted, applied to both sides of a pool, and searched; kin share what they can."""

from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path

import numpy as np

from pipeline_core.activations.vectors import Matrix, Vectors
from pipeline_core.retrieval.adaptations import ADAPTATIONS, System
from pipeline_core.retrieval.fitting import SIDES, TaskStatistics, TaskVectors, fit
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.maps import save_maps
from pipeline_core.retrieval.search import SearchResult
from pipeline_core.retrieval.systems import system_id


def run_systems(
    model: str, systems: Iterable[System], vectors: TaskVectors, pool: Pool, depth: int
) -> dict[str, SearchResult]:
    """Search one pool by every system that the task has queries to fit on.

    Args:
        model: the model, first part of every system id.
        systems: what to run.
        vectors: raw vectors of the pool's task.
        pool: the queries, candidates and judgements of one split.
        depth: length of the result lists.

    Returns:
        The result of each system by its id.

    Raises:
        DataError: too few vectors to fit on.
    """
    return {
        system_id(model, system): pool.search(queries, candidates, depth)
        for system, queries, candidates in adapted(systems, vectors, pool.split)
    }


def adapted(systems: Iterable[System], vectors: TaskVectors, split: str) -> Iterator[tuple[System, Matrix, Vectors]]:
    """Yield each system that can be fitted, fitted for a split, with queries [q, r] and candidates [n, r].

    Their inner products are its cosines; neither need be of unit norm. Candidates are read and mapped by blocks, but
    for kin, which share a copy that is projected once.

    Raises:
        DataError: too few vectors to fit on.
    """
    queries, candidates = np.asarray(vectors.of(split, "queries")), vectors.of(split, "candidates")
    families: dict[Hashable, list[System]] = {}
    for system in filter(vectors.can_fit, systems):
        key = system.adaptation, ADAPTATIONS[system.adaptation].kin(system)
        families.setdefault(key, []).append(system)
    for family in families.values():
        statistics = TaskStatistics(vectors, family[0], split)
        yield from ADAPTATIONS[family[0].adaptation].adapted(family, statistics, queries, candidates)


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
