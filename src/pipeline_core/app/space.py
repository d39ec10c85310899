"""A model's items in memory, and the scores of all with a question: raw, mean removed, ReAligned at any shrinkage.

Each candidate set (modality and instruction, as in the index) is brought into its own eigenbasis once. There ReAlign
only scales, so that a system at a setting is one product of the items with a vector; the products of all systems, and
of all visitors who wait, are one pass over the items. A side of the queries is fitted on the support split's, as the
index's is.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_core.activations.vectors import PLAIN_PROMPT, Matrix, Selection, VectorBlocks
from pipeline_core.app.factored import factored
from pipeline_core.app.recent import Recent
from pipeline_core.app.together import Together
from pipeline_core.dataset.pools import searched
from pipeline_core.index.items import Items, find_items, group_name, support_queries
from pipeline_core.library import Run
from pipeline_core.retrieval.adaptations.realign import realign
from pipeline_core.retrieval.maps import TINY, Centring, Identity, Map, by_blocks
from pipeline_core.retrieval.spectrum import Spectrum, spectrum
from pipeline_core.schema.parquet import read_table

if TYPE_CHECKING:
    from pipeline_core.app.coarse import Coarse

RAW, CENTRED, REALIGNED = "raw", "mean removed", "ReAlign"
SYSTEMS = (RAW, CENTRED, REALIGNED)

STEPS = tuple(round(0.05 * n, 2) for n in range(21))
"""Shrinkages that the slider stops at: all lengths at them are worked out in one pass."""

_KEPT = 1024

_SINGLY = 3
"""Vectors up to which a product each takes less time than one of all: more have to be read together to gain."""

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Asked:
    """A question: its raw embedding [d], and the group (modality and instruction) that it belongs to."""

    vector: Matrix
    group: str


@dataclass(frozen=True)
class Met:
    """A question as it meets the items of a set: the cosines are (coordinates @ turned + added) / lengths.

    Attributes:
        turned: the question [d] in the eigenbasis of the set, under the maps of both sides.
        added: its product with what the map leaves of the items' mean.
        lengths: of the mapped items [n].
    """

    turned: npt.NDArray[np.float64]
    added: float
    lengths: Scores


@dataclass(frozen=True)
class Linear:
    """A question as it meets some raw vectors [m, d]: the cosines are (vectors @ direction + added) / lengths."""

    direction: Matrix
    added: float
    lengths: Scores


Way = Callable[[Asked, str], Met]
"""A system at a setting: how a question meets the items of a group."""

Key = tuple[Hashable, ...]
"""What tells a way from others of the same items."""


@dataclass(frozen=True)
class CandidateSet:
    """Items of one modality under one instruction.

    Attributes:
        rows: which of the space's items these are.
        vectors: raw [n, d], read when they are asked for.
    """

    rows: npt.NDArray[np.int64]
    vectors: Selection
    _passes: Together[Matrix, Scores] = field(default_factory=Together)

    @cached_property
    def norms(self) -> Scores:
        """Lengths [n] of the raw vectors."""
        found = by_blocks(self.vectors, 1, lambda rows: np.linalg.norm(rows, axis=1, keepdims=True))
        return np.asarray(np.maximum(found[:, 0], TINY), dtype=np.float32)

    @cached_property
    def spectrum(self) -> Spectrum:
        """What maps of the set are fitted on."""
        return spectrum(self.vectors)

    @cached_property
    def coordinates(self) -> Matrix:
        """The vectors without their mean [n, d] in the eigenbasis of the set."""
        found = self.spectrum
        width = found.basis.shape[1]
        return by_blocks(self.vectors, width, lambda rows: (rows - found.mean).astype(np.float32) @ found.basis)

    def lengths(self, scales: npt.NDArray[np.float64]) -> Scores:
        """Return the lengths [b, n] of the vectors without their mean, the axes of the basis scaled by [b, d]."""
        squared = np.square(scales).astype(np.float32).T
        found = by_blocks(self.coordinates, len(scales), lambda rows: np.square(rows) @ squared)
        return np.ascontiguousarray(np.maximum(np.sqrt(found), TINY).T)

    def cosines(self, questions: Sequence[Met]) -> Scores:
        """Return the cosines [q, n] of questions with the items; who asks meanwhile shares the next pass over them."""
        turned = np.stack([question.turned for question in questions]).astype(np.float32)
        found = self._passes.ask(turned, self._products)
        for row, question in enumerate(questions):
            found[row] = (found[row] + np.float32(question.added)) / question.lengths
        return found

    @cached_property
    def coarse(self) -> "Coarse | None":
        """The coordinates in half the digits; None where that is no faster."""
        from pipeline_core.app.coarse import Coarse  # noqa: PLC0415 - torch

        return Coarse(self.coordinates) if Coarse.helps(len(self.rows)) else None

    def best(self, questions: Sequence[Met], k: int) -> list[tuple[npt.NDArray[np.int64], Scores]]:
        """Return which items have the k largest cosines with each question, ties included, and these cosines.

        Products of all items tell which may be among them, and these are multiplied again, so that equal items have
        equal cosines.
        """
        turned = np.stack([question.turned for question in questions])
        found = []
        for question, exact, products, off in zip(questions, turned, *self._bounded(turned), strict=True):
            added, lengths = np.float32(question.added), question.lengths
            some = _may_be_best((products - off + added) / lengths, (products + off + added) / lengths, k)
            again = self.coordinates[some].astype(np.float64) @ exact + question.added
            cosines = (again / lengths[some]).astype(np.float32)
            places = _may_be_best(cosines, cosines, k)
            found.append((some[places], cosines[places]))
        return found

    def _bounded(self, turned: npt.NDArray[np.float64]) -> tuple[Matrix, Matrix]:
        """Return products [q, n] of the coordinates with vectors [q, d], and what each is off by at most."""
        vectors = turned.astype(np.float32)
        if self.coarse is not None:
            return self.coarse.products(vectors)
        found = self._passes.ask(vectors, self._products)
        summed = vectors.shape[1] * 2.0**-23 * np.linalg.norm(turned, axis=1)[:, None]
        return found, (summed * self._sizes).astype(np.float32)

    @cached_property
    def _sizes(self) -> Scores:
        """Lengths [n] of the coordinates."""
        return by_blocks(self.coordinates, 1, lambda rows: np.linalg.norm(rows, axis=1, keepdims=True))[:, 0]

    def linear(self, question: Met, rows: npt.NDArray[np.int64]) -> Linear:
        """Return what gives the cosines of a question with some items, by their rows in the space."""
        direction = (self.spectrum.eigenvectors @ question.turned).astype(np.float32)
        added = question.added - float(self.spectrum.mean @ direction)
        return Linear(direction, added, question.lengths[np.searchsorted(self.rows, rows)])

    def _products(self, turned: Sequence[Matrix]) -> list[Scores]:
        """Return the inner products [q, n] of the coordinates with each block of vectors [q, d]."""
        every = np.concatenate(turned)
        single = len(every) <= _SINGLY
        found = np.stack([self.coordinates @ one for one in every]) if single else every @ self.coordinates.T
        return np.split(found, np.cumsum([len(block) for block in turned])[:-1])


@dataclass(frozen=True)
class Space:
    """The items of a model, and what its questions are mapped by.

    Attributes:
        items: everything that can be found, with the column image_ref.
        embeddings: all that was embedded, to look up samples as questions.
        sets: the items by group.
        sides: spectra of the support split's queries by group.
        beta: ReAlign's shrinkage in the run.
        eps: ReAlign's eps in the run.
    """

    items: Items
    embeddings: VectorBlocks
    sets: Mapping[str, CandidateSet]
    sides: Mapping[str, Spectrum]
    beta: float
    eps: float
    _found: Recent[Key, pl.DataFrame] = field(default_factory=lambda: Recent(_KEPT))
    _lengths: dict[str, Mapping[float | None, Scores]] = field(default_factory=dict)
    _guard: Lock = field(default_factory=Lock)

    def fitted(self, group: str) -> bool:
        """Say whether mean removal and ReAlign know questions of a group."""
        return self._side(group) in self.sides

    def _side(self, group: str) -> str:
        """Return the group whose side a question's is: dual encoders know no instructions."""
        return group if group in self.sides else group_name(group.partition(":")[0], PLAIN_PROMPT)

    def maps(self, system: str, asking: str, answering: str, beta: float) -> tuple[Map, Map]:
        """Return the map of questions of a group, and that of the items of another."""
        if system == RAW:
            return Identity(), Identity()
        return self._fit(system, self.sides[self._side(asking)], beta), self.candidate_map(system, answering, beta)

    def candidate_map(self, system: str, answering: str, beta: float | None = None) -> Map:
        """Return the map of the items of a group; by default at the shrinkage of the run."""
        if system == RAW:
            return Identity()
        return self._fit(system, self.sets[answering].spectrum, self.beta if beta is None else beta)

    def _fit(self, system: str, side: Spectrum, beta: float) -> Map:
        return Centring(side.mean) if system == CENTRED else realign(side, beta, self.eps)

    def way(self, system: str, beta: float) -> tuple[Key, Way]:
        """Return one of ``SYSTEMS`` at a shrinkage, with what tells it from others."""
        return (system, beta if system == REALIGNED else None), partial(self._meet, system, beta)

    def scores(self, asked: Asked, system: str, answering: str, beta: float) -> Scores:
        """Return the cosines [n] of a question with every item of a group: inner products of what ``maps`` gives."""
        return np.asarray(self.sets[answering].cosines([self._meet(system, beta, asked, answering)])[0])

    def _meet(self, system: str, beta: float, asked: Asked, answering: str) -> Met:
        own, lengths = self.sets[answering], self.lengths(answering)
        mapped = factored(self.maps(system, asked.group, answering, beta)[0]).apply(asked.vector)
        turned = mapped @ own.spectrum.eigenvectors
        if system == RAW:
            return Met(turned, float(own.spectrum.mean @ mapped), own.norms)
        at = None if system == CENTRED else beta
        scales = self._scales(own.spectrum, at)
        return Met(turned * scales, 0.0, lengths[at] if at in lengths else own.lengths(scales[None])[0])

    def lengths(self, answering: str) -> Mapping[float | None, Scores]:
        """Return the lengths [n] of a group's items without their mean, and after ReAlign at each of ``STEPS``."""
        with self._guard:
            if answering not in self._lengths:
                own, steps = self.sets[answering], (None, *sorted({*STEPS, self.beta}))
                found = own.lengths(np.stack([self._scales(own.spectrum, step) for step in steps]))
                self._lengths[answering] = dict(zip(steps, found, strict=True))
            return self._lengths[answering]

    def _scales(self, found: Spectrum, beta: float | None) -> npt.NDArray[np.float64]:
        """Return by how much ReAlign scales each axis of a basis; None: only the mean is removed."""
        return np.ones_like(found.eigenvalues) if beta is None else found.scales(beta, self.eps)

    def best(self, asked: Asked, ways: Mapping[Key, Way], to: str, k: int) -> dict[Key, pl.DataFrame]:
        """Return the k best items by each way, each sample once: columns of the items, row, answering (group), score.

        Ties by sample id.

        Args:
            asked: the question.
            ways: to be compared with the items in one pass over them, by what tells them apart.
            to: modality of the answers; ``any`` finds all.
            k: most answers.
        """
        same = asked.vector.tobytes(), asked.group, to, k
        known = {key: found for key in ways if (found := self._found.get((*same, *key))) is not None}
        missing = [key for key in ways if key not in known]
        if missing:
            made = self._best(asked, [ways[key] for key in missing], to, k)
            for key, found in zip(missing, made, strict=True):
                self._found.put((*same, *key), found)
                known[key] = found
        return known

    def _best(self, asked: Asked, ways: Sequence[Way], to: str, k: int) -> list[pl.DataFrame]:
        found: list[list[pl.DataFrame]] = [[] for _ in ways]
        for name, own in self.sets.items():
            if to in ("any", name.partition(":")[0]):
                largest = own.best([way(asked, name) for way in ways], k)
                for (places, scores), of_way in zip(largest, found, strict=True):
                    rows = own.rows[places]
                    of_way.append(
                        pl.DataFrame({"row": rows, "score": scores.astype(np.float64)}).with_columns(
                            self.items.frame[rows], answering=pl.lit(name)
                        )
                    )
        return [first(frames, k) for frames in found]

    def sample(self, sample_id: str, modality: str) -> Asked | None:
        """Return a stored sample as a question, under an instruction of questions if it can; None: it has no vector."""
        own = self.embeddings.labels.filter(sample_id=sample_id).select("row", "prompt_id").rows()
        if not own:
            return None
        row, prompt = min(own, key=lambda found: not self.fitted(group_name(modality, found[1])))
        return Asked(self.embeddings.take(np.array([row]))[0], group_name(modality, prompt))


def _may_be_best(low: Scores, high: Scores, k: int) -> npt.NDArray[np.int64]:
    """Return which of n items may be among the k best, ties included, by what each scores at least and at most [n]."""
    return np.arange(len(low)) if k >= len(low) else np.flatnonzero(high >= np.partition(low, -k)[-k])


def first(found: Sequence[pl.DataFrame], k: int) -> pl.DataFrame:
    """Return the k items of several groups with the largest scores, each sample once; ties by sample id."""
    if not found:
        return pl.DataFrame()
    ordered = pl.concat(found).sort("score", "sample_id", descending=[True, False])
    return ordered.unique("sample_id", keep="first", maintain_order=True).head(k)


def open_space(run: Run, model: str) -> Space:
    """Read the items of a model of a run.

    Raises:
        StoreError: an artifact is missing or damaged.
    """
    dataset = run.artifact("dataset")
    names = ("samples", "tasks", "candidates", "queries", "pairs")
    samples, tasks, candidates, queries, pairs = (read_table(dataset, name) for name in names)
    embeddings = run.embeddings(model)
    found = find_items(embeddings, samples, searched(tasks, candidates, samples), pairs)
    pictures = samples.select("sample_id", "image_ref")
    items = Items(found.frame.join(pictures, on="sample_id", how="left", maintain_order="left"), found.vectors)
    tasks = tasks.filter(pl.col("control") == "none").sort("task_id")
    sides = {
        group: spectrum(vectors)
        for group, vectors in support_queries(embeddings, queries, tasks).items()
        if len(vectors) > 1
    }
    at = found.vectors.rows
    sets = {
        group: CandidateSet(rows, Selection(embeddings, at[rows]))
        for group, rows in items.groups().items()
        if len(rows) > 1
    }
    own = run.record.config["adaptations"]["realign"]
    return Space(items, embeddings, sets, sides, float(own["beta"]), float(own["eps"]))
