"""Fitting a system on one task: which vectors each side's statistics come from, with one decomposition for each set."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline_core.activations.vectors import Embeddings, Matrix
from pipeline_core.errors import DataError
from pipeline_core.retrieval.adaptations import Adaptation, Identity, Projection, unit
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.shrinkage import ledoit_wolf, oas
from pipeline_core.retrieval.spectrum import Spectrum, spectrum
from pipeline_core.retrieval.systems import System
from pipeline_core.retrieval.transport import transport
from pipeline_core.retrieval.whitening import mean_removal, pca, realign, zca

Side = Literal["queries", "candidates"]
SIDES: tuple[Side, Side] = ("queries", "candidates")
Part = tuple[str, Side]
"""One side of one split, e.g. ("support", "queries")."""

SUPPORT: tuple[Part, Part] = (("support", "queries"), ("support", "candidates"))


class SpectrumCache:
    """The spectra of sets of rows of one representation's vectors [n, d], so that tasks that share samples share them.

    The longest unused make room for others, because a task uses few and a wide model's take 100 MB each.
    """

    def __init__(self, vectors: Matrix, limit_bytes: int = 1 << 30) -> None:
        """Keep spectra of rows of ``vectors`` up to ``limit_bytes``, but always the last."""
        self._vectors = vectors
        self._spectra: dict[tuple[bytes, bool], Spectrum] = {}
        self._most = max(1, limit_bytes // (12 * vectors.shape[1] ** 2))  # eigenvectors in float64 and in float32

    def of(self, rows: npt.NDArray[np.int64], unit_input: bool) -> Spectrum:
        """Return the spectrum of rows, in whatever order, normalised first if ``unit_input``.

        Raises:
            DataError: fewer than two rows.
        """
        # In order, so that sums, and with them the last bits, do not depend on the task that asked first.
        rows = np.sort(rows)
        key = (rows.tobytes(), unit_input)
        found = self._spectra.pop(key, None)
        if found is None:
            vectors = self._vectors[rows]
            found = spectrum(unit(vectors) if unit_input else vectors)
        self._spectra[key] = found
        while len(self._spectra) > self._most:
            del self._spectra[next(iter(self._spectra))]
        return found


class TaskVectors:
    """The raw vectors of one task, by split and side, and the spectra of the sets that systems are fitted on."""

    def __init__(
        self,
        embeddings: Embeddings,
        pools: Mapping[str, Pool],
        query_prompt_id: str,
        candidate_prompt_id: str,
        spectra: SpectrumCache | None = None,
    ) -> None:
        """Look up the vectors of each split's queries [q, d] and candidates [n, d].

        Args:
            embeddings: of one representation.
            pools: of one task, by split.
            query_prompt_id: prompt that the task's queries are embedded under.
            candidate_prompt_id: the same of its candidates.
            spectra: those of ``embeddings.vectors`` that tasks share; without it, this task keeps its own.

        Raises:
            StoreError: a sample was not embedded under the task's prompt.
        """
        self._spectra = SpectrumCache(embeddings.vectors) if spectra is None else spectra
        self._rows: dict[Part, npt.NDArray[np.int64]] = {}
        for split, pool in pools.items():
            self.task_id = pool.task_id
            self._rows[split, "queries"] = embeddings.rows(pool.query_samples, query_prompt_id)
            self._rows[split, "candidates"] = embeddings.rows(pool.candidate_ids, candidate_prompt_id)
        self._vectors = {part: embeddings.vectors[rows] for part, rows in self._rows.items()}

    def of(self, split: str, side: Side) -> Matrix:
        """Return the raw vectors of one side of a split."""
        return self._vectors[split, side]

    def spectrum(self, parts: tuple[Part, ...], unit_input: bool = False) -> Spectrum:
        """Return the spectrum of the union of parts, computed once.

        Raises:
            DataError: fewer than two vectors.
        """
        rows = np.concatenate([self._rows[part] for part in parts])
        if len(rows) < 2:
            names = " and ".join(f"{split} {side}" for split, side in parts)
            raise DataError(
                f"task {self.task_id} has {len(rows)} {names}, too few to fit statistics on",
                "use a larger data set, or another split seed",
            )
        return self._spectra.of(rows, unit_input)


def fit(system: System, vectors: TaskVectors, split: str, bases: Mapping[str, Matrix]) -> tuple[Adaptation, Adaptation]:
    """Fit a system for scoring ``split``; returns the queries' and the candidates' adaptation.

    Args:
        system: what to fit, and on what.
        vectors: of the task.
        split: whose queries and candidates are scored.
        bases: by ``System.short``, the orthonormal basis [d, r] that a removal projects out, but for those whose
            selection is fitted here: ``mean`` and ``principal_components``, of support queries and candidates together.

    Raises:
        DataError: too few vectors to fit on, or all of them equal.
    """
    if system.adaptation == "identity":
        return Identity(), Identity()
    if system.adaptation == "removal":
        removal = _removal(system, vectors, bases)
        return removal, removal
    query_side, candidate_side = sides(system, vectors, split)
    if system.adaptation == "transport":
        assert system.beta is not None
        return transport(query_side, candidate_side, system.beta)
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
    support_queries, support_candidates = SUPPORT
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
    match system.adaptation:
        case "mean_removal":
            return mean_removal(side)
        case "ledoit_wolf":
            return ledoit_wolf(side)
        case "oas":
            return oas(side)
    assert system.eps is not None
    match system.adaptation:
        case "zca":
            return zca(side, system.eps)
        case "pca":
            return pca(side, system.eps, system.rank)
        case "realign":
            assert system.beta is not None
            return realign(side, system.beta, system.eps, unit_input=system.variant == "code")
    raise AssertionError(f"{system.short} is adapted by {system.adaptation}")


def _removal(system: System, vectors: TaskVectors, bases: Mapping[str, Matrix]) -> Adaptation:
    if system.selection == "mean":
        return mean_removal(vectors.spectrum(SUPPORT))
    if system.selection == "principal_components":
        assert system.rank is not None
        return Projection(np.ascontiguousarray(vectors.spectrum(SUPPORT).basis[:, : system.rank]))
    return Projection(bases[system.short])
