"""What the tasks of a run lose, or gain, without one feature: as the retrieval stage measures it, for any feature."""

from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_core.activations.limits import Limits
from pipeline_core.library import Run
from pipeline_core.retrieval.effects import hits_under
from pipeline_core.retrieval.fitting import TaskVectors
from pipeline_core.retrieval.judgements import Judgements, Pool
from pipeline_core.retrieval.maps import Identity, Projection
from pipeline_core.retrieval.problems import NEEDED
from pipeline_core.retrieval.scoring import effect_rows
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.retrieval.significance import corrected
from pipeline_core.retrieval.subspaces import subspace
from pipeline_core.sae.artifact import load_dictionary


class Removals:
    """The tasks of one model in one run, as they are answered raw. One removal is measured at a time."""

    def __init__(self, run: Run, model: str) -> None:
        """Read the tasks.

        Raises:
            StoreError: an artifact is missing or damaged.
        """
        embeddings = run.embeddings(model)
        self._settings = ScoringSettings.model_validate(run.record.config.get("scoring", {}))
        judgements = Judgements(run.artifact("dataset"), Limits.read(run.artifact(f"activations/{model}")))
        self._tasks: list[tuple[int, Pool, TaskVectors]] = []
        for task in judgements.tasks.filter(control="none").iter_rows(named=True):
            pool = judgements.pool(task["task_id"], NEEDED)
            vectors = TaskVectors(embeddings, {NEEDED: pool}, task["candidate_prompt_id"])
            self._tasks.append((task["primary_k"], pool, vectors))
        self._raw: dict[str, npt.NDArray[np.float64]] = {}
        self._lock = Lock()

    def effects(self, sae: Path, feature: int) -> pl.DataFrame:
        """Return what removing a feature does to each task: the columns of ``removal_effects`` that are measured.

        q is over these tasks; that of the stored effects is over all removals of a stage.

        Args:
            sae: artifact of the autoencoder.
            feature: of its features.
        """
        removal = Projection(subspace(load_dictionary(sae)[[feature]]))
        rows = []
        with self._lock:  # each search takes all cores
            for k, pool, vectors in self._tasks:
                if pool.task_id not in self._raw:
                    self._raw[pool.task_id] = hits_under(Identity(), vectors, pool, k)
                change = hits_under(removal, vectors, pool, k) - self._raw[pool.task_id]
                rows.append(effect_rows(pool, k, [{"feature_id": feature}], change[None], self._settings))
        found = pl.concat(rows)
        return found.with_columns(q=corrected(found["p"].to_numpy()))
