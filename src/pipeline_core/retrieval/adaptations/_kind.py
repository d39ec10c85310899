"""What an adaptation owns: its names, what it is fitted on, its fit, and the systems that it contributes to each study.

An adaptation maps each side of a task, queries and candidates, to unit norm before they are compared. A system is an
adaptation with its parameters, fitted on given statistics: one row of the table ``systems``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from pipeline_core.activations.vectors import Matrix
from pipeline_core.retrieval.maps import Map
from pipeline_core.retrieval.matched import Matched
from pipeline_core.retrieval.spectrum import Spectrum
from pipeline_core.settings import Section

STATISTICS = {
    "candidates": "candidate statistics",
    "support": "support statistics",
    "joint": "joint statistics",
    "test_queries": "statistics of the queries asked (transductive)",
    "train": "matched pairs of train",
}
"""What a system may be fitted on, in words."""

SEPARATE = ("candidates", "support")
ALL_STATISTICS = (*SEPARATE, "joint")

ANALYSIS = "main"
"""The study of every analysis; all others are of the grid or of doses."""


@dataclass(frozen=True)
class System:
    """One row of the table ``systems``; ``short`` is the system's id within its model.

    ``method`` is given where the label says more, e.g. what it is fitted on. ``rep_ids`` are given where a stage scores
    several representations; elsewhere it is the one of the stage. ``mask`` says which tokens are pooled where that is
    what is compared, and ``side`` on which side; ``reads`` are the representations of queries and of candidates, where
    they differ or are not stored. ``energy_ratio`` is the energy of the features that a selection removes over
    that of as many with the largest attribution. ``basis`` [d, r], orthonormal columns, is what a removal projects out,
    where it is not fitted to each task.
    """

    short: str
    adaptation: str
    label: str
    variant: str | None = None
    fit_on: str | None = None
    beta: float | None = None
    eps: float | None = None
    selection: str | None = None
    sae_id: str | None = None
    share: float | None = None
    rank: int | None = None
    n_features: int | None = None
    energy_ratio: float | None = None
    control: str = "none"
    named: bool = True
    study: str = ANALYSIS
    method: str | None = None
    rep_ids: tuple[str, ...] = ()
    mask: str | None = None
    side: str | None = None
    reads: tuple[str, str] | None = None
    basis: Matrix | None = field(default=None, repr=False, compare=False)

    @property
    def needs_support(self) -> bool:
        """Whether it is fitted on queries of the support split, which a benchmark may lack."""
        return self.fit_on not in (None, "test_queries", "train")


Compared = tuple[System, System]
"""A system and the baseline that it is tested against."""

RAW = System("raw", "identity", "raw")


@dataclass(frozen=True)
class Singles:
    """Features removed one at a time: the system that stands for them all, and the basis [d, 1] of each feature."""

    system: System
    bases: Mapping[int, Matrix]


@dataclass(frozen=True)
class Sae:
    """A sparse autoencoder: its features (table ``features``, of train and support), and its dictionary D [c, d]."""

    sae_id: str
    features: pl.DataFrame
    dictionary: Matrix


@dataclass(frozen=True)
class Scope:
    """What systems are listed by.

    Attributes:
        width: dimensions of the embeddings.
        settings: parameters of the adaptations, an ``adaptation_settings()``.
        saes: sparse autoencoders of the model.
        single_features: features that are also removed one at a time.
        seed: of what is random in a system.
    """

    width: int
    settings: Section
    saes: Sequence[Sae] = ()
    single_features: int = 0
    seed: int = 0


class Swept(Protocol):
    """What a grid tries beside the configured parameters."""

    @property
    def betas(self) -> tuple[float, ...]:
        """Shrinkages."""

    @property
    def pca_ranks(self) -> tuple[int, ...]:
        """Ranks that a whitening in one basis is cut to."""

    @property
    def layer_average_beta(self) -> float:
        """Shrinkage, beside the configured one, of what the paper does not have."""


class Statistics(Protocol):
    """The spectra that a system is fitted on when a split is scored."""

    def sides(self, unit_input: bool = False) -> tuple[Spectrum, Spectrum]:
        """Return those of the queries' and of the candidates' side, of normalised vectors if ``unit_input``."""

    def together(self) -> Spectrum:
        """Return that of both sides' vectors together."""

    def matched(self) -> Matched:
        """Return matched pairs of the train split, for what learns from pairs."""


@dataclass(frozen=True)
class Adapted:
    """Systems as fitted, side by side, for one pass over the candidates; inner products are their cosines.

    Attributes:
        queries: those of each system [q, r].
        candidates: maps stored candidates [m, d] to those of each system [m, r], in turn.
    """

    queries: Sequence[Matrix]
    candidates: Callable[[Matrix], Iterable[Matrix]]

    @classmethod
    def by(cls, sides: Iterable[tuple[Map, Map]], queries: Matrix) -> "Adapted":
        """Return systems whose sides, queries' and candidates', have a map each; queries are mapped at once."""
        asked, maps = [], []
        for query_side, candidate_side in sides:
            asked.append(query_side.apply(queries))
            maps.append(candidate_side)
        return cls(asked, lambda block: (own.apply(block) for own in maps))


def fitted(short: str, adaptation: str, label: str, fit_on: str, **fields: Any) -> System:
    """Return a system whose id and label end in what it is fitted on; its method, unless given, is the bare label."""
    ending = "transductive" if fit_on == "test_queries" else fit_on
    return System(
        f"{short}-{ending}", adaptation, f"{label}, {STATISTICS[fit_on]}", fit_on=fit_on, **{"method": label} | fields
    )


class Adaptation(ABC):
    """A member of the kind. What is written here suits an adaptation of one parameter set, fitted on either side.

    Attributes:
        name: what tables call it; the name of its module.
        label: its name in a few words.
        method: shorter, as tables of the report have it.
        colour: role of its colour, a class of the report's style sheet.
        place: where it stands among the others.
        parameters: its section of the config; ``None`` where it has no parameters.
        maps: classes of its maps, where it has maps of its own: frozen dataclasses of arrays, flags and ``None``.
        statistics: what the grid fits it on.
        analysed: what every analysis fits it on; its systems are named there, and compared with raw.
        everywhere: what it is fitted on at every layer, pooling and mask of the grid.
    """

    name: str
    label: str
    method: str
    colour: str = "rival"
    place: int
    parameters: type[Section] | None = None
    maps: tuple[type[Any], ...] = ()
    statistics: tuple[str, ...] = ALL_STATISTICS
    analysed: tuple[str, ...] = ()
    everywhere: tuple[str, ...] = ()

    @abstractmethod
    def fit(self, system: System, statistics: Statistics) -> tuple[Map, Map]:
        """Fit one of its systems; returns the queries' and the candidates' map.

        Raises:
            DataError: too few vectors to fit on, or all of them equal.
        """

    def fields(self, scope: Scope) -> dict[str, Any]:
        """Return the columns of its systems that tell its parameters."""
        return {}

    def of_analysis(self, scope: Scope) -> Sequence[System]:
        """Return its systems of the main analysis; statistics of the candidates, the paper's, go without saying."""
        return [
            System(self.name, self.name, self.label, fit_on=fit_on, method=self.method, **self.fields(scope))
            if fit_on == "candidates"
            else self._fitted(fit_on, scope)
            for fit_on in self.analysed
        ]

    def of_place(self, scope: Scope) -> Sequence[System]:
        """Return its systems at every layer, pooling and mask of the grid; the grid adds the place to id and label."""
        return [self._fitted(fit_on, scope) for fit_on in self.everywhere]

    def of_grid(self, scope: Scope, swept: Swept) -> Sequence[System]:
        """Return its systems among the adaptations of the grid; the grid adds its study to the id."""
        return [self._fitted(fit_on, scope) for fit_on in self.statistics]

    def of_layers(self, scope: Scope, swept: Swept) -> Sequence[System]:
        """Return its systems of the grid that average layers."""
        return ()

    def singles(self, scope: Scope) -> Sequence[Singles]:
        """Return what it removes one at a time, beside its systems of the main analysis."""
        return ()

    def rivals(self, own: System, paper: System) -> bool:
        """Say whether ReAlign at the paper's beta, ``paper``, is tested against its own system of the same study."""
        return own.study != ANALYSIS and own.fit_on == paper.fit_on

    def pairs(self, own: Sequence[System]) -> Sequence[Compared]:
        """Return the pairs among its systems of the main analysis that are tested."""
        return ()

    def kin(self, system: System) -> Hashable:
        """Name the family that ``adapted`` takes together: of the same statistics; by default each system is alone."""
        return system.short

    def adapted(self, family: Sequence[System], statistics: Statistics, queries: Matrix) -> Adapted:
        """Fit the systems of a family, and map the queries.

        Raises:
            DataError: too few vectors to fit on, or all of them equal.
        """
        return Adapted.by((self.fit(system, statistics) for system in family), queries)

    def _fitted(self, fit_on: str, scope: Scope) -> System:
        return fitted(self.name, self.name, self.label, fit_on, **{"method": self.method} | self.fields(scope))


def truncated(own: Adaptation, scope: Scope, swept: Swept, fit_on: Sequence[str]) -> list[System]:
    """Return an adaptation at each rank that is tried and below the width, fitted on each of ``fit_on``."""
    return [
        fitted(
            f"{own.name}-r{rank}",
            own.name,
            f"{own.label}, rank {rank}",
            statistics,
            rank=rank,
            method=f"{own.method}, rank {rank}",
            **own.fields(scope),
        )
        for rank in sorted(set(swept.pca_ranks))
        if rank < scope.width
        for statistics in fit_on
    ]
