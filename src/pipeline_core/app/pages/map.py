"""Embeddings in the plane of their two largest principal components: pictures and texts, raw beside ReAligned."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from pipeline_core.activations.vectors import Matrix
from pipeline_core.app.pages import NotFoundError, Page, Parameters, Reply, Visit
from pipeline_core.app.points import points
from pipeline_core.app.space import RAW, REALIGNED, SYSTEMS

MOST = 100_000
_TONES = {"image": 0, "text": 2}


class Asked(Parameters):
    """A model and a system, for the points of one drawing."""

    model: str = ""
    system: str = "raw"
    form: Literal["page", "points"] = "page"


class Map(Page):
    """The gap between the modalities, before and after."""

    name, title, path, place = "map", "Map", "/map", 4
    parameters = Asked

    def show(self, visit: Visit) -> Mapping[str, Any] | Reply:
        """Name the drawings, or place the points of one."""
        given, run = visit.given, visit.run
        if given.form == "points":
            model = visit.model(given.model)
            if given.system not in SYSTEMS:
                raise NotFoundError(f"there is no system {given.system!r}", f"there is {', '.join(SYSTEMS)}")
            key = "map", run.artifact(f"index/{model}").name, given.system
            return visit.site.once(*key, make=lambda: _placed(visit, model, given.system))
        studied, *others = run.models
        return {"drawings": [(studied, RAW), (studied, REALIGNED), *((model, RAW) for model in others)], "most": MOST}


def _placed(visit: Visit, model: str, system: str) -> Reply:
    space = visit.site.space(visit.run, model)
    frame, vectors = space.items.frame, space.items.vectors
    step = -(-len(vectors) // MOST)
    rows = np.arange(0, len(vectors), step)
    mapped = np.zeros((len(rows), vectors.shape[1]), dtype=np.float32)
    for name, own in space.sets.items():
        drawn = np.flatnonzero(np.isin(rows, own.rows))
        mapped[drawn] = space.candidate_map(system, name).apply(vectors[rows[drawn]])
    place = _plane(mapped)
    shown = frame[rows]
    told = shown.select("sample_id", "modality", "text").iter_rows()
    labels = [f"{text or sample} ({modality.replace('_', ' + ')})" for sample, modality, text in told]
    links = [visit.link("/sample", id=sample) for sample in shown["sample_id"]]
    tones = [_TONES.get(modality, 1) for modality in shown["modality"]]
    return points(place[:, 0], place[:, 1], tones, labels, links)


def _plane(vectors: Matrix) -> Matrix:
    """Return vectors [n, d] on their first two principal components, each scaled to 0 to 1 [n, 2]."""
    centred = vectors - vectors.mean(axis=0)
    _, basis = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    place = centred @ basis[:, :-3:-1].astype(np.float32)
    low, high = place.min(axis=0), place.max(axis=0)
    return np.asarray((place - low) / np.maximum(high - low, np.finfo(np.float32).tiny))


MEMBER = Map()
