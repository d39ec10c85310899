"""Systems that average layers: each layer and side is adapted by itself, and the cosines are averaged.

This is the cosine of the layers' unit vectors laid end to end, but the layers need not be in memory together.
"""

from collections.abc import Sequence

import numpy as np

from pipeline_core.retrieval.fitting import TaskVectors
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.running import adapted
from pipeline_core.retrieval.search import SearchResult, rank
from pipeline_core.retrieval.systems import System, system_id
from pipeline_core.vectors import Matrix


class LayerAverages:
    """Running means of cosines [q, n], float32, one for each system, task and split."""

    def __init__(self, systems: Sequence[System]) -> None:
        """Start for systems that name several representations each."""
        self._systems = systems
        self._means: dict[tuple[str, str, str], Matrix] = {}

    def add(self, rep_id: str, vectors: TaskVectors, pool: Pool) -> None:
        """Add one layer's cosines on one pool to the systems that it belongs to.

        Raises:
            DataError: too few vectors to fit on.
        """
        members = [system for system in self._systems if rep_id in system.rep_ids]
        for system, queries, candidates in adapted(members, vectors, pool.split, {}):
            cosines = queries @ candidates.T / np.float32(len(system.rep_ids))
            key = (system.short, pool.task_id, pool.split)
            self._means[key] = self._means[key] + cosines if key in self._means else cosines

    def results(self, model: str, pool: Pool, depth: int) -> dict[str, SearchResult]:
        """Rank one pool by the means, once all layers are in; by system id."""
        return {
            system_id(model, system): rank(
                self._means[system.short, pool.task_id, pool.split], pool.relevant, pool.excluded, depth
            )
            for system in self._systems
        }
