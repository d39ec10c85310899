"""A model's items in memory, and the scores of all with a question: raw, mean removed, ReAligned at any shrinkage.

Each candidate set (modality and instruction, as in the index) is brought into its own eigenbasis once. There ReAlign
only scales: a shrinkage costs two products with a vector, and mean removal is the scale 1. A side of the queries is
fitted on the support split's, as the index's is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_core.activations.vectors import PLAIN_PROMPT, Matrix, VectorBlocks
from pipeline_core.dataset.pools import searched
from pipeline_core.index.items import Items, find_items, group_name, support_queries
from pipeline_core.library import Run
from pipeline_core.retrieval.adaptations.realign import realign
from pipeline_core.retrieval.maps import TINY, Centring, Identity, Map, by_blocks
from pipeline_core.retrieval.spectrum import Spectrum, spectrum
from pipeline_core.schema.parquet import read_table

RAW, CENTRED, REALIGNED = "raw", "mean removed", "ReAlign"
SYSTEMS = (RAW, CENTRED, REALIGNED)

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

    def raw(self, question: Matrix) -> Scores:
        """Return the cosines [n] with a vector [d]."""
        return np.asarray((self.vectors @ question) / (self.norms * max(float(np.linalg.norm(question)), float(TINY))))

    def scaled(self, question: Matrix, scales: npt.NDArray[np.float64]) -> Scores:
        """Return the cosines [n] of a mapped question [d] with the set, each axis of whose basis is scaled."""
        across = (self.spectrum.eigenvectors.T @ question.astype(np.float64)) * scales
        squared = np.square(scales).astype(np.float32)[:, None]
        lengths = np.sqrt(by_blocks(self.coordinates, 1, lambda rows: np.square(rows) @ squared)[:, 0])
        return np.asarray((self.coordinates @ across.astype(np.float32)) / np.maximum(lengths, TINY))


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
        """Return the cosines of a question with every item of a group: inner products of what ``maps`` gives."""
        own = self.sets[answering]
        if system == RAW:
            return own.raw(asked.vector)
        question = self.maps(system, asked.group, answering, beta)[0].apply(asked.vector[None])[0]
        found = own.spectrum
        scales = np.ones_like(found.eigenvalues) if system == CENTRED else found.scales(beta, self.eps)
        return own.scaled(question, scales)

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
        found = []
        for name, own in self.sets.items():
            if to not in ("any", name.partition(":")[0]):
                continue
            scores = self.scores(asked, system, name, beta)
            first = np.argpartition(-scores, min(k, len(scores) - 1))[: k + 1]
            rows = own.rows[first]
            added = pl.DataFrame({"row": rows, "score": scores[first].astype(np.float64)})
            found.append(added.with_columns(self.items.frame[rows], answering=pl.lit(name)))
        if not found:
            return pl.DataFrame()
        ordered = pl.concat(found).sort("score", "sample_id", descending=[True, False])
        return ordered.unique("sample_id", keep="first", maintain_order=True).head(k)

    def sample(self, sample_id: str, modality: str) -> Asked | None:
        """Return a stored sample as a question, under an instruction of questions if it can; None: it has no vector."""
        own = self.embeddings.labels.filter(sample_id=sample_id).select("row", "prompt_id").rows()
        if not own:
            return None
        row, prompt = min(own, key=lambda found: not self.fitted(group_name(modality, found[1])))
        return Asked(self.embeddings.take(np.array([row]))[0], group_name(modality, prompt))


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
    sets = {group: CandidateSet(rows, items.vectors[rows]) for group, rows in items.groups().items() if len(rows) > 1}
    own = run.record.config["adaptations"]["realign"]
    return Space(items, embeddings, sets, sides, float(own["beta"]), float(own["eps"]))
