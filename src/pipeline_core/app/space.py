"""A model's items in memory, and the scores of all with a question: raw, mean removed, ReAligned at any shrinkage.

Each candidate set (modality and instruction, as in the index) is brought into its own eigenbasis once. There ReAlign
only scales: a shrinkage costs two products with a vector, and mean removal is the scale 1. A side of the queries is
fitted on the support split's, as the index's is.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_core.activations.vectors import PLAIN_PROMPT, Matrix, VectorBlocks
from pipeline_core.app.recent import Recent
from pipeline_core.dataset.pools import searched
from pipeline_core.index.items import Items, find_items, group_name, support_queries
from pipeline_core.library import Run
from pipeline_core.retrieval.adaptations.realign import realign
from pipeline_core.retrieval.maps import TINY, Centring, Identity, Map, by_blocks
from pipeline_core.retrieval.spectrum import Spectrum, spectrum
from pipeline_core.schema.parquet import read_table

RAW, CENTRED, REALIGNED = "raw", "mean removed", "ReAlign"
SYSTEMS = (RAW, CENTRED, REALIGNED)

STEPS = tuple(round(0.05 * n, 2) for n in range(21))
"""Shrinkages that the slider stops at: all lengths at them are worked out in one pass."""

_KEPT = 1024

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Asked:
    """A question: its raw embedding [d], and the group (modality and instruction) that it belongs to."""

    vector: Matrix
    group: str


@dataclass(frozen=True)
class CandidateSet:
    """Items of one modality under one instruction.

    Attributes:
        rows: which of the space's items these are.
        vectors: raw [n, d].
    """

    rows: npt.NDArray[np.int64]
    vectors: Matrix

    @cached_property
    def norms(self) -> Scores:
        """Lengths [n] of the raw vectors."""
        return np.asarray(np.maximum(np.linalg.norm(self.vectors, axis=1), TINY), dtype=np.float32)

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

    def products(self, turned: npt.NDArray[np.float64]) -> Scores:
        """Return the inner products [q, n] of the coordinates with questions [q, d] in the same basis."""
        # One product of a matrix with few columns takes longer than one product each.
        return np.stack([self.coordinates @ question for question in turned.astype(np.float32)])


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
    _found: Recent[tuple[Hashable, ...], pl.DataFrame] = field(default_factory=lambda: Recent(_KEPT))
    _lengths: dict[str, Mapping[float | None, Scores]] = field(default_factory=dict)
    _guard: Lock = field(default_factory=Lock)
    _passing: Lock = field(default_factory=Lock)

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

    def scores(self, asked: Asked, system: str, answering: str, beta: float) -> Scores:
        """Return the cosines [n] of a question with every item of a group: inner products of what ``maps`` gives."""
        return np.asarray(self._scores(asked, [system], answering, beta)[0])

    def _scores(self, asked: Asked, systems: Sequence[str], answering: str, beta: float) -> Scores:
        """Return the cosines [s, n] under several systems."""
        own, lengths = self.sets[answering], self.lengths(answering)
        maps = [self.maps(system, asked.group, answering, beta)[0] for system in systems]
        mapped = np.concatenate([one.apply(asked.vector[None]) for one in maps]).astype(np.float64)
        turned = mapped @ own.spectrum.eigenvectors
        for row, system in enumerate(systems):
            if system == REALIGNED:
                turned[row] *= own.spectrum.scales(beta, self.eps)
        found = own.products(turned)
        for row, system in enumerate(systems):
            if system == RAW:
                found[row] = (found[row] + np.float32(own.spectrum.mean @ mapped[row])) / own.norms
            else:
                at = None if system == CENTRED else beta
                found[row] /= lengths[at] if at in lengths else own.lengths(self._scales(own.spectrum, at)[None])[0]
        return found

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

    def best(self, asked: Asked, system: str, to: str, k: int, beta: float) -> pl.DataFrame:
        """Return the k best items, each sample once: columns of the items, row, answering (their group), score.

        Ties by sample id.

        Args:
            asked: the question.
            system: one of ``SYSTEMS``.
            to: modality of the answers; ``any`` finds all.
            k: most answers.
            beta: ReAlign's shrinkage.
        """

        def key(system: str) -> tuple[Hashable, ...]:
            return asked.vector.tobytes(), asked.group, system, to, k, beta if system == REALIGNED else None

        known = self._found.get(key(system))
        if known is None:
            # Who asks one system asks the others, too.
            able = SYSTEMS if self.fitted(asked.group) else (RAW,)
            wanted = [system, *(one for one in able if one != system and self._found.get(key(one)) is None)]
            with self._passing:  # several at once would only take each other's cores
                found = self._best(asked, wanted, to, k, beta)
            for one, best in zip(wanted, found, strict=True):
                self._found.put(key(one), best)
            known = found[0]
        return known

    def _best(self, asked: Asked, systems: Sequence[str], to: str, k: int, beta: float) -> list[pl.DataFrame]:
        found: list[list[pl.DataFrame]] = [[] for _ in systems]
        for name in self.sets:
            if to not in ("any", name.partition(":")[0]):
                continue
            for scores, of_system in zip(self._scores(asked, systems, name, beta), found, strict=True):
                of_system.append(self.largest(name, scores, k))
        return [first(frames, k) for frames in found]

    def largest(self, answering: str, scores: Scores, k: int) -> pl.DataFrame:
        """Return some more than k items of a group, those of the largest scores [n], with the columns of ``best``."""
        chosen = np.argpartition(-scores, min(k, len(scores) - 1))[: k + 1]
        rows = self.sets[answering].rows[chosen]
        found = pl.DataFrame({"row": rows, "score": scores[chosen].astype(np.float64)})
        return found.with_columns(self.items.frame[rows], answering=pl.lit(answering))

    def sample(self, sample_id: str, modality: str) -> Asked | None:
        """Return a stored sample as a question, under an instruction of questions if it can; None: it has no vector."""
        own = self.embeddings.labels.filter(sample_id=sample_id).select("row", "prompt_id").rows()
        if not own:
            return None
        row, prompt = min(own, key=lambda found: not self.fitted(group_name(modality, found[1])))
        return Asked(self.embeddings.take(np.array([row]))[0], group_name(modality, prompt))


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
    every = found.vectors[:]
    items = Items(found.frame.join(pictures, on="sample_id", how="left", maintain_order="left"), found.vectors)
    tasks = tasks.filter(pl.col("control") == "none").sort("task_id")
    sides = {
        group: spectrum(vectors)
        for group, vectors in support_queries(embeddings, queries, tasks).items()
        if len(vectors) > 1
    }
    sets = {group: CandidateSet(rows, _of(every, rows)) for group, rows in items.groups().items() if len(rows) > 1}
    own = run.record.config["adaptations"]["realign"]
    return Space(items, embeddings, sets, sides, float(own["beta"]), float(own["eps"]))


def _of(vectors: Matrix, rows: npt.NDArray[np.int64]) -> Matrix:
    """Return some rows; those that lie side by side are not held twice."""
    together = len(rows) == rows[-1] - rows[0] + 1
    return vectors[rows[0] : rows[-1] + 1] if together else vectors[rows]
