"""Fitting a system on one task: which vectors each side's statistics come from, with one decomposition for each set."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from pipeline_core.errors import DataError
from pipeline_core.retrieval.adaptations import Adaptation, Identity, Projection, unit
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.spectrum import Spectrum, spectrum
from pipeline_core.retrieval.systems import System
from pipeline_core.retrieval.whitening import mean_removal, pca, realign, zca
from pipeline_core.vectors import Embeddings, Matrix

Side = Literal["queries", "candidates"]
SIDES: tuple[Side, Side] = ("queries", "candidates")
Part = tuple[str, Side]
"""One side of one split, e.g. ("support", "queries")."""


class TaskVectors:
    """The raw vectors of one task, by split and side, and the spectra of the sets that systems are fitted on."""

    def __init__(
        self, embeddings: Embeddings, pools: Mapping[str, Pool], query_prompt_id: str, candidate_prompt_id: str
    ) -> None:
        """Look up the vectors of each split's queries [q, d] and candidates [n, d].

        Raises:
            StoreError: a sample was not embedded under the task's prompt.
        """
        self._vectors: dict[Part, Matrix] = {}
        self._spectra: dict[tuple[tuple[Part, ...], bool], Spectrum] = {}
        for split, pool in pools.items():
            self.task_id = pool.task_id
            self._vectors[split, "queries"] = embeddings.take(pool.query_samples, query_prompt_id)
            self._vectors[split, "candidates"] = embeddings.take(pool.candidate_ids, candidate_prompt_id)

    def of(self, split: str, side: Side) -> Matrix:
        """Return the raw vectors of one side of a split."""
        return self._vectors[split, side]

    def spectrum(self, parts: tuple[Part, ...], unit_input: bool = False) -> Spectrum:
        """Return the spectrum of the union of parts, computed once.

        Raises:
            DataError: fewer than two vectors.
        """
        key = (parts, unit_input)
        if key not in self._spectra:
            vectors = np.concatenate([self._vectors[part] for part in parts])
            if len(vectors) < 2:
                names = " and ".join(f"{split} {side}" for split, side in parts)
                raise DataError(
                    f"task {self.task_id} has {len(vectors)} {names}, too few to fit statistics on",
                    "use a larger data set, or another split seed",
                )
            self._spectra[key] = spectrum(unit(vectors) if unit_input else vectors)
        return self._spectra[key]


def fit(system: System, vectors: TaskVectors, split: str, bases: Mapping[str, Matrix]) -> tuple[Adaptation, Adaptation]:
    """Fit a system for scoring ``split``; returns the queries' and the candidates' adaptation.

    Args:
        system: what is fitted.
        vectors: the raw vectors of one task.
        split: the split that is scored.
        bases: for each removal, by ``System.short``, the orthonormal basis [d, r] that it projects out.

    Raises:
        DataError: too few vectors to fit on.
    """
    if system.adaptation == "identity":
        return Identity(), Identity()
    if system.adaptation == "removal":
        projection = _projection(system, vectors, bases)
        return projection, projection
    query_side, candidate_side = sides(system, vectors, split)
    return _fit_side(system, query_side), _fit_side(system, candidate_side)


def sides(system: System, vectors: TaskVectors, split: str) -> tuple[Spectrum, Spectrum]:
    """Return the spectra that a system's queries and candidates are adapted by when ``split`` is scored.

    Raises:
        DataError: too few vectors to fit on.
    """
    query_parts, candidate_parts = _fitted_on(system, split)
    unit_input = system.variant == "code"
    return vectors.spectrum(query_parts, unit_input), vectors.spectrum(candidate_parts, unit_input)


def _fitted_on(system: System, split: str) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    support_queries: Part = ("support", "queries")
    support_candidates: Part = ("support", "candidates")
    candidates: Part = (split, "candidates")
    match system.fit_on:
        case "candidates":
            return (support_queries,), (candidates,)
        case "support":
            return (support_queries,), (support_candidates,)
        case "joint":
            return (support_queries, candidates), (support_queries, candidates)
        case "test_queries":
            return ((split, "queries"),), (candidates,)
    raise AssertionError(f"{system.short} is fitted on {system.fit_on}")


def _fit_side(system: System, side: Spectrum) -> Adaptation:
    if system.adaptation == "mean_removal":
        return mean_removal(side)
    assert system.eps is not None
    if system.adaptation == "zca":
        return zca(side, system.eps)
    if system.adaptation == "pca":
        return pca(side, system.eps, system.rank)
    assert system.adaptation == "realign"
    assert system.beta is not None
    return realign(side, system.beta, system.eps, unit_input=system.variant == "code")


def _projection(system: System, vectors: TaskVectors, bases: Mapping[str, Matrix]) -> Projection:
    if system.selection == "principal_components":
        support = vectors.spectrum((("support", "queries"), ("support", "candidates")))
        return Projection(support.eigenvectors[:, : system.rank].astype(np.float32))
    return Projection(bases[system.short])
