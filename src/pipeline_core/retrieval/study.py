"""The one procedure of every stage that scores systems: representations, tasks, splits; then the tables.

One representation is in memory at a time (two where the sides differ), and a task's scores only until its last
representation is scored. Nothing is chosen here: every system listed beforehand is scored and kept, and test is scored
once.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import polars as pl
import pyarrow as pa

from pipeline_core.activations.analysed import analysed
from pipeline_core.activations.limits import Limits
from pipeline_core.activations.settings import RepresentationSettings
from pipeline_core.activations.spilled import Room
from pipeline_core.activations.vectors import VectorBlocks, load_embeddings, representations
from pipeline_core.retrieval.adaptations import Compared, Singles, System
from pipeline_core.retrieval.effects import removal_effects
from pipeline_core.retrieval.fitting import SpectrumCache, TaskVectors
from pipeline_core.retrieval.judgements import Pool, shuffled
from pipeline_core.retrieval.layer_average import LayerAverages
from pipeline_core.retrieval.matched import Matched, train_pairs
from pipeline_core.retrieval.problems import FITTED, Problem, problems
from pipeline_core.retrieval.randomness import generator
from pipeline_core.retrieval.running import run_systems, save_fitted
from pipeline_core.retrieval.saes import SaeInput
from pipeline_core.retrieval.scoring import Scored, comparison_rows, families, joined, metric_rows, rank_rows, score
from pipeline_core.retrieval.search import SearchResult
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.retrieval.systems import system_id, systems_table
from pipeline_core.schema import tables_of
from pipeline_core.schema.parquet import write_table
from pipeline_core.settings import Section
from pipeline_core.stage import ModelSubject, Progress, Work

log = logging.getLogger(__name__)

Keep = Callable[[Pool, Mapping[str, SearchResult]], None]
"""Takes the test pool of a task, and the results of the systems that are judged by it."""

Sides = tuple[str, str]
"""The representations of queries and of candidates, one and the same but where one side is masked."""


@dataclass(frozen=True)
class Bench:
    """What every stage that scores is given.

    Attributes:
        activations: artifact with the embeddings.
        dataset: artifact with tasks and judgements.
        rep_id: the representation that is analysed.
        saes: whose features to remove; may be empty.
        scoring: cut-offs, resamples, permutations, seed.
        adaptations: parameters of the adaptations.
        folder: where to write.
        progress: called with (done, all) after each task of a representation.
        room: what may be held of vectors; None: all of them.
        device: where scores are made.
    """

    activations: Path
    dataset: Path
    rep_id: str
    saes: Sequence[SaeInput]
    scoring: ScoringSettings
    adaptations: Section
    folder: Path
    progress: Progress
    room: Room | None = None
    device: str = "cpu"

    @classmethod
    def of(cls, work: Work[ModelSubject]) -> "Bench":
        """Return that of a stage with the sections ``representation``, ``scoring`` and ``adaptations``."""
        activations, features = work.input("activations"), work.inputs("features")
        return cls(
            activations,
            work.input("dataset"),
            analysed(activations, work.settings(RepresentationSettings)),
            [SaeInput(f"{work.subject.model.name}/{n}", sae, features[n]) for n, sae in work.inputs("sae").items()],
            work.settings(ScoringSettings),
            work.section("adaptations"),
            work.folder,
            work.progress,
            Room(work.subject.placement.memory_bytes, work.folder),
            work.subject.placement.device,
        )

    @cached_property
    def model(self) -> str:
        """The model, first part of every system id."""
        return str(representations(self.activations)["model"][0])


@dataclass(frozen=True)
class Study:
    """What a stage scores.

    Attributes:
        stage: the stage, whose tables are written.
        bench: what it is given.
        systems: what is scored; the first is raw, against which removals are measured.
        compared: (system, baseline) pairs that are tested.
        singles: features removed one at a time.
        derived: what loads a representation that is not stored, by the name that systems read it by.
        listed: ids of the systems that have recall and nDCG too, which need result lists.
        saved: ids of the systems whose maps, fitted for the test split, are written.
        depth: least length of result lists, where systems are listed.
        controls: whether tasks that are controls are scored.
    """

    stage: str
    bench: Bench
    systems: tuple[System, ...]
    compared: tuple[Compared, ...]
    singles: tuple[Singles, ...] = ()
    derived: Mapping[str, Callable[[], VectorBlocks]] = field(default_factory=dict)
    listed: frozenset[str] = frozenset()
    saved: frozenset[str] = frozenset()
    depth: int = 1
    controls: bool = False

    @property
    def removals(self) -> list[System]:
        """Systems that remove a set of features or directions."""
        return [system for system in self.systems if system.selection is not None]

    @property
    def combined(self) -> list[System]:
        """Systems that average representations."""
        return [system for system in self.systems if len(system.rep_ids) > 1]

    def id(self, system: System) -> str:
        """Return the id of a system."""
        return system_id(self.bench.model, system)

    def by_representation(self) -> dict[Sides, list[System]]:
        """Return, for each representation to be read, that of queries and of candidates, the systems that score it."""
        groups: dict[Sides, list[System]] = defaultdict(list)
        for system in self.systems:
            if len(system.rep_ids) < 2:
                rep_id = (*system.rep_ids, self.bench.rep_id)[0]
                groups[system.reads or (rep_id, rep_id)].append(system)
        return groups

    def load(self, rep_id: str) -> VectorBlocks:
        """Open a representation, stored or derived."""
        if rep_id in self.derived:
            return self.derived[rep_id]()
        return load_embeddings(self.bench.activations, rep_id, self.bench.room)


Rows = dict[tuple[str, bool], list[pl.DataFrame]]
"""Rows of tables, a frame a task: by table, and whether the task is none of the controls, which are tested apart."""


def score_study(study: Study) -> None:
    """Score a study's systems on every task and write the tables of its stage.

    Raises:
        DataError: a task has no queries, no candidates, nothing relevant, or too few to fit on, in a split.
        StoreError: the artifact has no such representation, or a sample was not embedded.
    """
    scorer = Scorer(study)
    write_study(study, scorer.score(scorer.tasks, study.bench.folder))


def write_study(study: Study, rows: Rows) -> None:
    """Write the tables of a study's stage.

    Effects (each removal against raw) and comparisons are of the test split; each of the two tables is one family of
    tests for tasks and one for their controls, so that the q of a task does not depend on how many controls it has.
    """
    bench = study.bench
    listed = [*study.systems, *(alone.system for alone in study.singles if alone.bases)]
    tables: dict[str, pl.DataFrame | pa.Table] = {
        "systems": systems_table(bench.model, bench.rep_id, listed, bench.scoring.seed)
    }
    for name in ("retrieval_metrics", "retrieval_ranks"):
        tables[name] = pl.concat([*rows[name, True], *rows[name, False]])
    for name in ("removal_effects", "comparisons"):
        tables[name] = families(name, rows[name, True], rows[name, False])
    for table in tables_of(study.stage):
        if table.name in tables:
            write_table(bench.folder, table.name, tables[table.name])


class Scorer:
    """Scores the tasks of a study; what they share of its representations is read and fitted once."""

    def __init__(self, study: Study) -> None:
        """Find the tasks, in ascending order of id.

        A task without queries in the support split loses the systems that are fitted on them, and no others.

        Raises:
            DataError: a task has no queries, no candidates or nothing relevant in a split.
        """
        bench = study.bench
        found = problems(bench.dataset, bench.scoring.ks, Limits.read(bench.activations))
        self.tasks = [problem for problem in found if study.controls or problem.control == "none"]
        unsupported = ", ".join(problem.task_id for problem in self.tasks if FITTED not in problem.pools)
        if unsupported:
            log.warning("no support queries: systems that are fitted on them are left out of %s", unsupported)
        self._study, self._groups = study, study.by_representation()
        self._pairs = train_pairs(bench.dataset)
        self._spectra: dict[str, SpectrumCache] = {}

    def score(self, tasks: Sequence[Problem], folder: Path, keep: Keep | None = None) -> Rows:
        """Score some of the tasks, and write the maps of ``study.saved`` that are fitted for them, controls left out.

        Args:
            tasks: which.
            folder: where maps go, ``adaptations/<task>.safetensors``.
            keep: takes the result lists of the test split.

        Raises:
            DataError: too few vectors to fit on.
            StoreError: the artifact has no such representation, or a sample was not embedded.
        """
        study = self._study
        run = _Run(study, LayerAverages(study.combined, self.tasks, study.bench.room))
        (folder / "adaptations").mkdir(exist_ok=True)
        last, done = [*self._groups][-1], 0
        for sides, members in self._groups.items():
            self._open(sides)
            queries, candidates = (self._spectra[name] for name in sides)
            saved = [system for system in members if study.id(system) in study.saved]
            for problem in tasks:
                prompt_id = problem.candidate_prompt_id
                vectors = TaskVectors(queries.vectors, problem.pools, prompt_id, queries, candidates)
                results = run.score(problem, sides, members, vectors)
                if keep:
                    keep(problem.pools["test"], results)
                if saved and problem.control == "none":
                    save_fitted(folder / "adaptations", saved, vectors)
                if sides == last:
                    run.finish(problem, vectors)
                done += 1
                study.bench.progress(done, len(self._groups) * len(tasks))
        return run.rows

    def _open(self, sides: Sides) -> None:
        """Hold the representations of two sides, and no others."""
        self._spectra = {name: own for name, own in self._spectra.items() if name in sides}
        for name in dict.fromkeys(sides):
            if name not in self._spectra:
                vectors = self._study.load(name)
                matched = Matched(vectors, self._pairs, self._study.bench.scoring.seed)
                self._spectra[name] = SpectrumCache(vectors, self._study.bench.room, matched)


class _Run:
    """What has been scored, and the rows made of it."""

    def __init__(self, study: Study, averages: LayerAverages) -> None:
        self._study, self._averages = study, averages
        self._model, self._scoring = study.bench.model, study.bench.scoring
        self._parts: dict[tuple[str, str, str], list[Scored]] = defaultdict(list)
        self.rows: Rows = defaultdict(list)

    def score(
        self, problem: Problem, sides: Sides, members: list[System], vectors: TaskVectors
    ) -> Mapping[str, SearchResult]:
        """Score one representation on one task; returns the results of the test split, but those of controls."""
        for pool in problem.scored:
            results = self._search(problem, members, vectors, pool, "none")
            purpose = f"shuffled_pairs/{pool.task_id}/{pool.split}"
            if any(system.control == "shuffled_pairs" for system in members):
                strangers = shuffled(pool, generator(self._scoring.seed, purpose))
                self._search(problem, members, vectors, strangers, "shuffled_pairs")
            if sides[0] == sides[1]:
                self._averages.add(sides[0], vectors, pool)
        return results

    def _search(
        self, problem: Problem, members: list[System], vectors: TaskVectors, pool: Pool, control: str
    ) -> dict[str, SearchResult]:
        judged = [system for system in members if system.control == control]
        bench, depth = self._study.bench, self._depth(problem)
        results = run_systems(self._model, judged, vectors, pool, depth, bench.room, bench.device)
        if results:
            self._add(problem, pool, control, results)
        return results

    def _add(self, problem: Problem, pool: Pool, control: str, results: dict[str, SearchResult]) -> None:
        scored = score(pool, results, problem.ks, self._study.listed)
        self._parts[problem.task_id, pool.split, control].append(scored)

    def _depth(self, problem: Problem) -> int:
        return max(self._study.depth, *problem.ks) if self._study.listed else 1

    def finish(self, problem: Problem, vectors: TaskVectors) -> None:
        """Make the rows of one task, all of whose representations are scored; ``vectors`` are of the last."""
        family = problem.control == "none"
        for pool in problem.scored:
            averages = self._averages.results(self._model, pool, self._depth(problem))
            if averages:
                self._add(problem, pool, "none", averages)
            for control in ("none", "shuffled_pairs"):
                parts = self._parts.pop((problem.task_id, pool.split, control), None)
                if parts is not None:
                    scored = joined(parts)
                    self.rows["retrieval_metrics", family].append(metric_rows(scored, self._scoring))
                    self.rows["retrieval_ranks", family].append(rank_rows(scored))
                    if (pool.split, control) == ("test", "none"):
                        self._test(problem, scored, vectors)

    def _test(self, problem: Problem, scored: Scored, vectors: TaskVectors) -> None:
        study, family, k = self._study, problem.control == "none", problem.primary_k
        if study.removals:
            bench, compared = study.bench, (study.systems[0], study.removals, study.singles)
            self.rows["removal_effects", family].append(
                removal_effects(self._model, *compared, vectors, scored, k, self._scoring, bench.device, bench.room)
            )
        pairs = [(study.id(system), study.id(baseline)) for system, baseline in study.compared]
        here = [pair for pair in pairs if set(pair) <= scored.scores.keys()]
        if here:
            self.rows["comparisons", family].append(comparison_rows(scored, here, k, self._scoring))
