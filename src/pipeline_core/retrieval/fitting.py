"""Fitting a system on one task: which vectors each side's statistics come from, with one decomposition for each set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline_core.activations.spilled import Room
from pipeline_core.activations.vectors import Selection, VectorBlocks
from pipeline_core.errors import DataError
from pipeline_core.retrieval.adaptations import ADAPTATIONS, System
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.maps import Identity, Map, Mapped
from pipeline_core.retrieval.matched import Matched
from pipeline_core.retrieval.spectrum import Spectrum, spectrum

Side = Literal["queries", "candidates"]
SIDES: tuple[Side, Side] = ("queries", "candidates")
Part = tuple[str, Side]
"""One side of one split, e.g. ("support", "queries")."""

SUPPORT: tuple[Part, Part] = (("support", "queries"), ("support", "candidates"))


_SPECTRA = 1 << 30
"""Bytes that the spectra of a representation take at most."""


class SpectrumCache:
    """The spectra of sets of rows of one representation's vectors, so that tasks that share samples share them.

    The longest unused make room for others, because a task uses few and a wide model's take 100 MB each.
    """

    def __init__(self, vectors: VectorBlocks, room: Room | None = None, matched: Matched | None = None) -> None:
        """Keep spectra of rows of ``vectors``: what a share of ``room`` holds, a gigabyte at most, but always the last.

        ``matched`` are pairs of their train split, for what is trained.
        """
        self.vectors, self.matched = vectors, matched
        self._spectra: dict[tuple[bytes, bool], Spectrum] = {}
        limit = _SPECTRA if room is None else min(_SPECTRA, room.share)
        self._most = max(1, limit // (12 * vectors.width**2))  # eigenvectors in float64 and in float32

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
            vectors = Selection(self.vectors, rows)
            found = spectrum(Mapped(vectors, Identity()) if unit_input else vectors)
        self._spectra[key] = found
        while len(self._spectra) > self._most:
            del self._spectra[next(iter(self._spectra))]
        return found


class TaskVectors:
    """The raw vectors of one task, by split and side, and the spectra of the sets that systems are fitted on."""

    def __init__(
        self,
        embeddings: VectorBlocks,
        pools: Mapping[str, Pool],
        candidate_prompt_id: str,
        spectra: SpectrumCache | None = None,
        of_candidates: SpectrumCache | None = None,
    ) -> None:
        """Look up the vectors of each split's queries [q, d] and candidates [n, d], those that are embedded.

        Args:
            embeddings: of one representation, that of the queries where there are two.
            pools: of one task, by split.
            candidate_prompt_id: prompt that the task's candidates are embedded under, unless a pool tells each one's.
            spectra: those of ``embeddings`` that tasks share; without it, this task keeps its own.
            of_candidates: those of the candidates' representation, where it is another; nothing is fitted jointly then.

        Raises:
            StoreError: a sample was not embedded under its prompt.
        """
        own = SpectrumCache(embeddings) if spectra is None else spectra
        self._spectra: dict[Side, SpectrumCache] = {"queries": own, "candidates": of_candidates or own}
        self._rows: dict[Part, npt.NDArray[np.int64]] = {}
        for split, pool in pools.items():
            self.task_id = pool.task_id
            samples, prompts, found = (
                [names[row] for row in rows]
                for names, rows in (
                    (pool.query_samples, pool.queries),
                    (pool.query_prompts, pool.queries),
                    (pool.candidate_ids, pool.candidates),
                )
            )
            self._rows[split, "queries"] = embeddings.rows_of(samples, prompts)
            under = [pool.candidate_prompts[row] for row in pool.candidates] if pool.candidate_prompts else None
            of_found = self._spectra["candidates"].vectors
            self._rows[split, "candidates"] = of_found.rows_of(found, under or candidate_prompt_id)

    def can_fit(self, system: System) -> bool:
        """Say whether there are the queries, or the pairs, that a system is fitted on."""
        if system.fit_on == "train":
            return self.matched is not None and self.matched.n_groups > 1
        return SUPPORT[0] in self._rows or not system.needs_support

    @property
    def matched(self) -> Matched | None:
        """Matched pairs of the train split, where they are known."""
        return self._spectra["queries"].matched

    def of(self, split: str, side: Side) -> Selection:
        """Return the raw vectors of one side of a split, to be read by blocks."""
        return Selection(self._spectra[side].vectors, self._rows[split, side])

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
                "judge some there, or draw the splits of more samples or by another seed",
            )
        caches = {id(cache): cache for cache in (self._spectra[side] for _, side in parts)}
        assert len(caches) == 1, "nothing is fitted on vectors of two representations together"
        return next(iter(caches.values())).of(rows, unit_input)


@dataclass(frozen=True)
class TaskStatistics:
    """The statistics that one system is fitted on when ``split`` of a task is scored."""

    vectors: TaskVectors
    system: System
    split: str

    def sides(self, unit_input: bool = False) -> tuple[Spectrum, Spectrum]:
        """Return the spectra of the queries' and of the candidates' side, of normalised vectors if ``unit_input``.

        Raises:
            DataError: too few vectors to fit on.
        """
        query_parts, candidate_parts = self._parts()
        return self.vectors.spectrum(query_parts, unit_input), self.vectors.spectrum(candidate_parts, unit_input)

    def together(self) -> Spectrum:
        """Return the spectrum of both sides' vectors together.

        Raises:
            DataError: too few vectors to fit on.
        """
        query_parts, candidate_parts = self._parts()
        return self.vectors.spectrum(tuple(dict.fromkeys((*query_parts, *candidate_parts))))

    def matched(self) -> Matched:
        """Return the matched pairs of the train split."""
        assert self.vectors.matched is not None, "what is trained is left out where there are no pairs"
        return self.vectors.matched

    def _parts(self) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
        support_queries, support_candidates = SUPPORT
        candidates: Part = (self.split, "candidates")
        match self.system.fit_on:
            case "candidates":
                return (support_queries,), (candidates,)
            case "support":
                return (support_queries,), (support_candidates,)
            case "joint":
                return (support_queries, candidates), (support_queries, candidates)
            case "test_queries":
                return ((self.split, "queries"),), (candidates,)
        raise AssertionError(f"{self.system.short} is fitted on {self.system.fit_on}")


def fit(system: System, vectors: TaskVectors, split: str) -> tuple[Map, Map]:
    """Fit a system for scoring ``split``; returns the queries' and the candidates' map.

    Raises:
        DataError: too few vectors to fit on, or all of them equal.
    """
    return ADAPTATIONS[system.adaptation].fit(system, TaskStatistics(vectors, system, split))
