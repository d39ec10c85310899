"""Systems run on one task: each fitted, applied to both sides of a pool, and searched; betas share what they can."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pipeline_core.activations.vectors import Matrix
from pipeline_core.retrieval.adaptations import save_adaptations, unit
from pipeline_core.retrieval.fitting import SIDES, TaskVectors, fit, sides
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.search import SearchResult, search
from pipeline_core.retrieval.systems import System, system_id
from pipeline_core.retrieval.whitening import sweep_beta


def run_systems(
    model: str, systems: Iterable[System], vectors: TaskVectors, pool: Pool, bases: Mapping[str, Matrix], depth: int
) -> dict[str, SearchResult]:
    """Search one pool by every system.

    Args:
        model: the model, first part of every system id.
        systems: what to run.
        vectors: raw vectors of the pool's task.
        pool: the queries, candidates and judgements of one split.
        bases: for each removal, by ``System.short``, the orthonormal basis [d, r] that it projects out.
        depth: length of the result lists.

    Returns:
        The result of each system by its id.

    Raises:
        DataError: too few vectors to fit on.
    """
    return {
        system_id(model, system): search(queries, candidates, pool.relevant, pool.excluded, depth)
        for system, queries, candidates in adapted(systems, vectors, pool.split, bases)
    }


def adapted(
    systems: Iterable[System], vectors: TaskVectors, split: str, bases: Mapping[str, Matrix]
) -> Iterator[tuple[System, Matrix, Matrix]]:
    """Yield each system, fitted for a split, with queries [q, r] and candidates [n, r].

    Their inner products are its cosines; neither need be of unit norm. One pair of matrices is made at a time.

    Raises:
        DataError: too few vectors to fit on.
    """
    queries, candidates = vectors.of(split, "queries"), vectors.of(split, "candidates")
    for family in _families(systems):
        if len(family) > 1:
            yield from _sweep(family, vectors, split)
            continue
        (system,) = family
        query_side, candidate_side = fit(system, vectors, split, bases)
        yield system, query_side.apply(queries), candidate_side.apply(candidates)


def save_fitted(folder: Path, systems: Iterable[System], vectors: TaskVectors, bases: Mapping[str, Matrix]) -> None:
    """Write ``<task>.safetensors``: systems as fitted for the test split, ``<short>/queries`` and ``.../candidates``.

    What fits nothing (the raw embedding) is left out.

    Raises:
        DataError: too few vectors to fit on.
    """
    fitted = {
        f"{system.short}/{side}": adaptation
        for system in systems
        if system.adaptation != "identity"
        for side, adaptation in zip(SIDES, fit(system, vectors, "test", bases), strict=True)
    }
    save_adaptations(folder / f"{vectors.task_id}.safetensors", fitted)


def _families(systems: Iterable[System]) -> Iterable[Sequence[System]]:
    """Put together the ReAligns that differ in beta alone; everything else is alone."""
    families: dict[object, list[System]] = {}
    for system in systems:
        alone = system.adaptation != "realign"
        key = system.short if alone else (system.variant, system.fit_on, system.eps)
        families.setdefault(key, []).append(system)
    return families.values()


def _sweep(family: Sequence[System], vectors: TaskVectors, split: str) -> Iterator[tuple[System, Matrix, Matrix]]:
    query_side, candidate_side = sides(family[0], vectors, split)
    queries, candidates = vectors.of(split, "queries"), vectors.of(split, "candidates")
    if family[0].variant == "code":
        queries, candidates = unit(queries), unit(candidates)
    betas = [system.beta for system in family if system.beta is not None]
    assert len(betas) == len(family)
    assert family[0].eps is not None
    pairs = sweep_beta(queries, candidates, query_side, candidate_side, betas, family[0].eps)
    for system, (left, right) in zip(family, pairs, strict=True):
        yield system, left, right
