"""Systems that average layers: each layer and side is adapted by itself, and the cosines are averaged.

This is the cosine of the layers' unit vectors laid end to end, but the layers need not be in memory together. Nor need
the cosines: where those of all tasks take more than a share of a step's memory, they are kept on the disk.
"""

from collections.abc import Sequence

import numpy as np

from pipeline_core.activations.spilled import Room, SpilledVectors
from pipeline_core.activations.vectors import Matrix
from pipeline_core.retrieval.adaptations import System
from pipeline_core.retrieval.fitting import SIDES, TaskVectors
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.parts import rows_at_once
from pipeline_core.retrieval.problems import Problem
from pipeline_core.retrieval.running import adapted, kin, together
from pipeline_core.retrieval.search import BLOCK, SearchResult
from pipeline_core.retrieval.systems import system_id


class LayerAverages:
    """Running means of cosines [q, n], float32, one for each system, task and split."""

    def __init__(self, systems: Sequence[System], tasks: Sequence[Problem], room: Room | None) -> None:
        """Start for systems that name several representations each, and all tasks they are scored on."""
        self._systems = systems
        self._means: dict[tuple[str, str, str], Matrix | SpilledVectors] = {}
        cosines = sum(len(pool.queries) * len(pool.candidates) for task in tasks for pool in task.scored)
        self._elsewhere = None if room is None or room.holds((len(systems), cosines)) else room

    def add(self, rep_id: str, vectors: TaskVectors, pool: Pool) -> None:
        """Add one layer's cosines on one pool to the systems that it belongs to.

        Raises:
            DataError: too few vectors to fit on.
        """
        queries, candidates = (vectors.of(pool.split, side) for side in SIDES)
        families = kin([system for system in self._systems if rep_id in system.rep_ids], vectors)
        asked, mapped = together([adapted(family, vectors, pool.split, np.asarray(queries)) for family in families])
        members = [system for family in families for system in family]
        means = [self._mean(system, pool) for system in members]
        step = rows_at_once(candidates.shape[1], BLOCK)
        for start in range(0, len(candidates) if members else 0, step):
            block = mapped(candidates[start : start + step])
            for system, mean, own, found in zip(members, means, asked, block, strict=True):
                cosines = own @ found.T
                cosines /= np.float32(len(system.rep_ids))
                columns = slice(start, start + len(found))
                mean[:, columns] = mean[:, columns] + cosines

    def _mean(self, system: System, pool: Pool) -> Matrix | SpilledVectors:
        key, shape = (system.short, pool.task_id, pool.split), (len(pool.queries), len(pool.candidates))
        if key not in self._means:
            room = self._elsewhere
            self._means[key] = np.zeros(shape, np.float32) if room is None else SpilledVectors(shape, room)
        return self._means[key]

    def results(self, model: str, pool: Pool, depth: int) -> dict[str, SearchResult]:
        """Rank one pool by the means, by system id, once all layers are in; they are kept no longer."""
        keys = {(system.short, pool.task_id, pool.split): system_id(model, system) for system in self._systems}
        return {name: pool.rank(self._means.pop(key), depth) for key, name in keys.items() if key in self._means}
