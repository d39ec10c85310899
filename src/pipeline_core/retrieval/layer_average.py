"""Systems that average layers: each layer and side is adapted by itself, and the cosines are averaged.

This is the cosine of the layers' unit vectors laid end to end, but the layers need not be in memory together.
"""

import logging
from collections.abc import Sequence

import numpy as np

from pipeline_core.activations.vectors import Matrix
from pipeline_core.retrieval.adaptations import System
from pipeline_core.retrieval.fitting import SIDES, TaskVectors
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.problems import Problem
from pipeline_core.retrieval.running import adapted, kin, together
from pipeline_core.retrieval.search import SearchResult
from pipeline_core.retrieval.systems import system_id

LIMIT_BYTES = 2 << 30
"""Memory for the means of all tasks: those of pools that find no room are left out."""

log = logging.getLogger(__name__)


class LayerAverages:
    """Running means of cosines [q, n], float32, one for each system, task and split."""

    def __init__(self, systems: Sequence[System], tasks: Sequence[Problem]) -> None:
        """Start for systems that name several representations each; tasks with room for their means, smallest first."""
        self._systems = systems
        self._means: dict[tuple[str, str, str], Matrix] = {}
        needed = {
            task.task_id: len(systems) * 4 * sum(len(p.query_ids) * len(p.candidate_ids) for p in task.scored)
            for task in tasks
        }
        self.tasks: set[str] = set()
        total = 0
        for task_id in sorted(needed, key=lambda name: needed[name]):
            total += needed[task_id]
            if total <= LIMIT_BYTES:
                self.tasks.add(task_id)
        if systems and len(self.tasks) < len(tasks):
            log.warning(
                "layers are not averaged on %s: cosines of their pools would take more than %.1f GiB",
                ", ".join(sorted(needed.keys() - self.tasks)),
                LIMIT_BYTES / 2**30,
            )

    def add(self, rep_id: str, vectors: TaskVectors, pool: Pool) -> None:
        """Add one layer's cosines on one pool to the systems that it belongs to.

        Raises:
            DataError: too few vectors to fit on.
        """
        if pool.task_id not in self.tasks:
            return
        queries, candidates = (np.asarray(vectors.of(pool.split, side)) for side in SIDES)
        families = kin([system for system in self._systems if rep_id in system.rep_ids], vectors)
        asked, mapped = together([adapted(family, vectors, pool.split, queries) for family in families])
        members = [system for family in families for system in family]
        for system, own, found in zip(members, asked, mapped(candidates), strict=True):
            cosines = own @ found.T
            cosines /= np.float32(len(system.rep_ids))
            key = (system.short, pool.task_id, pool.split)
            if key in self._means:
                self._means[key] += cosines
            else:
                self._means[key] = cosines

    def results(self, model: str, pool: Pool, depth: int) -> dict[str, SearchResult]:
        """Rank one pool by the means, by system id, once all layers are in; what was left out has no results."""
        keys = {(system.short, pool.task_id, pool.split): system_id(model, system) for system in self._systems}
        return {name: pool.rank(self._means[key], depth) for key, name in keys.items() if key in self._means}
