"""What removals do to a task: paired effects on the hit rate against the raw embedding, by set and single feature."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_core.activations.spilled import Room
from pipeline_core.retrieval.adaptations import Adapted, Singles, System
from pipeline_core.retrieval.fitting import TaskVectors
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.maps import Map, Projection
from pipeline_core.retrieval.running import at_once
from pipeline_core.retrieval.scoring import Scored, effect_rows
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.retrieval.systems import system_id


def removal_effects(
    model: str,
    raw: System,
    removals: Sequence[System],
    singles: Sequence[Singles],
    vectors: TaskVectors,
    scored: Scored,
    k: int,
    settings: ScoringSettings,
    device: str,
    room: Room | None = None,
) -> pl.DataFrame:
    """Return the rows of ``removal_effects``, but for q, of one task.

    Args:
        model: the model, first part of every system id.
        raw: what every removal is compared with.
        removals: systems that remove a set; scored already, as raw is, or left out of the task.
        singles: features that are removed alone, and searched for here.
        vectors: raw vectors of the task.
        scored: how the systems scored on the task's pool.
        k: cut-off of the hit rate, the task's primary one.
        settings: numbers of resamples and permutations, seed.
        device: where scores are made.
        room: what may be held.
    """
    kept = [system for system in removals if system_id(model, system) in scored.scores]
    sets = [(_columns(model, system), _hits(scored, model, system, k)) for system in kept]
    removed = [
        (_columns(model, of.system, feature_id), Projection(basis))
        for of in singles
        for feature_id, basis in of.bases.items()
    ]
    without = hits_under([removal for _, removal in removed], vectors, scored.pool, k, device, room) if removed else []
    alone = [(columns, own) for (columns, _), own in zip(removed, without, strict=True)]
    named, hits = zip(*sets, *alone, strict=True)
    return effect_rows(scored.pool, k, named, np.stack(hits) - _hits(scored, model, raw, k), settings)


def _columns(model: str, system: System, feature_id: int | None = None) -> dict[str, str | int | None]:
    """The columns that identify an effect."""
    return {
        "sae_id": system.sae_id,
        "system_id": system_id(model, system),
        "selection": system.selection,
        "feature_id": feature_id,
    }


def _hits(scored: Scored, model: str, system: System, k: int) -> npt.NDArray[np.float64]:
    return scored.scores[system_id(model, system)]["hit_rate", k]


def hits_under(
    maps: Sequence[Map], vectors: TaskVectors, pool: Pool, k: int, device: str = "cpu", room: Room | None = None
) -> list[npt.NDArray[np.float64]]:
    """Return the hit at k (1 or 0) of each judged query of a pool [judged], both sides under each of some maps.

    As many maps share a pass over the candidates as the room holds the queries of.
    """
    queries, candidates = np.asarray(vectors.of(pool.split, "queries")), vectors.of(pool.split, "candidates")
    step = at_once(room, queries, 1)
    hits = list[npt.NDArray[np.float64]]()
    for start in range(0, len(maps), step):
        sides = Adapted.by(((own, own) for own in maps[start : start + step]), queries)
        found = pool.search(sides.queries, sides.candidates, candidates, 1, device)
        hits += [(result.first_relevant_rank[pool.judged] <= k).astype(np.float64) for result in found]
    return hits
