"""Embeddings in the plane, of principal components or by UMAP: pictures and texts, raw beside ReAligned."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import Field

from pipeline_core.activations.vectors import Matrix
from pipeline_core.app.pages import NotFoundError, Page, Parameters, Reply, Visit
from pipeline_core.app.points import points
from pipeline_core.app.space import RAW, REALIGNED, SYSTEMS
from pipeline_core.errors import QueryError

MOST = 100_000
MOST_UMAP = 20_000
"""UMAP takes minutes for more."""

INSTALL = 'UMAP needs a package of its own: pip install "retrieval-lens[umap]"'

_OTHERS, _HOT = 3, 4
_TONES = {"image": 0, "text": 2}
_ROLES = {"in the pool": 0, "right answer": 1, "asked": 2}
_LEVELS = 4
LEGENDS = {
    "modality": (("m0", "pictures"), ("m1", "texts"), ("m2", "pictures with texts")),
    "task": (("m1", "asked"), ("m2", "right answer of another"), ("m0", "in the pool"), ("soft", "in none of it")),
    "feature": (("soft", "not active"), ("warm", "active"), ("hot", "most active")),
}


class Asked(Parameters):
    """A plane and a colour; a model and a system, for the points of one drawing."""

    model: str = ""
    system: str = "raw"
    plane: Literal["principal", "umap"] = "principal"
    colour: Literal["modality", "task", "feature"] = "modality"
    task: str = ""
    sae: str = ""
    feature: int | None = Field(None, ge=0, lt=2**31)
    form: Literal["page", "points"] = "page"


class Map(Page):
    """The gap between the modalities, before and after."""

    name, title, path, place = "map", "Map", "/map", 4
    parameters = Asked
    computes = True

    def show(self, visit: Visit) -> Mapping[str, Any] | Reply:
        """Name the drawings, or place the points of one."""
        given, run = visit.given, visit.run
        if given.form == "points":
            return visit.kept(lambda: _drawing(visit))
        studied, *others = run.models
        of_sae = visit.sae(given.sae).rpartition("/")[0] if given.colour == "feature" and run.saes else None
        shown = [(studied, RAW), (studied, REALIGNED), *((model, RAW) for model in others)]
        return {
            # A feature is of one model's embeddings.
            "drawings": [one for one in shown if of_sae in (None, one[0])],
            "counts": visit.ask(),
            "tasks": visit.ask("tasks"),
            "saes": run.saes,
            "planes": [("principal", "principal components"), *([("umap", "UMAP")] if find_spec("umap") else [])],
            "install": "" if find_spec("umap") else INSTALL,
            "legend": LEGENDS[given.colour],
            "most": MOST_UMAP if given.plane == "umap" else MOST,
        }


def _drawing(visit: Visit) -> Reply:
    """Return the points of one model under one system."""
    given, run = visit.given, visit.run
    model = visit.model(given.model)
    if given.system not in SYSTEMS:
        raise NotFoundError(f"there is no system {given.system!r}", f"there is {', '.join(SYSTEMS)}")
    if given.plane == "umap" and not find_spec("umap"):
        raise QueryError("UMAP is not installed here", INSTALL)
    key = "map", run.artifact(f"index/{model}").name, given.system, given.plane
    rows, place = visit.site.once(*key, make=lambda: _placed(visit, model, given.system, given.plane))
    shown = visit.site.space(run, model).items.frame[rows]
    told = shown.select("sample_id", "modality", "text").iter_rows()
    labels = [f"{text or sample} ({modality.replace('_', ' + ')})" for sample, modality, text in told]
    links = [visit.link("/sample", id=sample) for sample in shown["sample_id"]]
    return points(place[:, 0], place[:, 1], _tones(visit, shown), labels, links)


def _placed(visit: Visit, model: str, system: str, plane: str) -> tuple[np.ndarray, Matrix]:
    """Return which items are drawn [n], and where, from 0 to 1 [n, 2]."""
    space = visit.site.space(visit.run, model)
    vectors = space.items.vectors
    step = -(-len(vectors) // (MOST_UMAP if plane == "umap" else MOST))
    rows = np.arange(0, len(vectors), step)
    mapped = np.zeros((len(rows), vectors.shape[1]), dtype=np.float32)
    for name, own in space.sets.items():
        drawn = np.flatnonzero(np.isin(rows, own.rows))
        mapped[drawn] = space.candidate_map(system, name).apply(vectors[rows[drawn]])
    place = _umap(mapped) if plane == "umap" else _principal(mapped)
    low, high = place.min(axis=0), place.max(axis=0)
    return rows, np.asarray((place - low) / np.maximum(high - low, np.finfo(np.float32).tiny))


def _principal(vectors: Matrix) -> Matrix:
    """Return vectors [n, d] on their first two principal components [n, 2]."""
    centred = vectors - vectors.mean(axis=0)
    _, basis = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    return np.asarray(centred @ basis[:, :-3:-1].astype(np.float32))


def _umap(vectors: Matrix) -> Matrix:
    """Return vectors [n, d] where UMAP puts them by their cosines [n, 2] (McInnes et al., arXiv 1802.03426)."""
    import umap  # noqa: PLC0415 - an extra

    return np.asarray(umap.UMAP(metric="cosine", random_state=0).fit_transform(vectors))


def _tones(visit: Visit, shown: pl.DataFrame) -> Sequence[int]:
    """Return the tone of each item: by its modality, its part in a task, or the activation of a feature."""
    given = visit.given
    if given.colour == "task":
        known = [row["task_id"] for row in visit.ask("tasks").rows]
        if given.task and given.task not in known:
            raise NotFoundError(f"there is no task {given.task!r}", f"there is {', '.join(known)}")
        parts = visit.ask("task", task=given.task or known[0])
        roles = {row["sample_id"]: row["role"] for row in parts.rows}
        return [_ROLES.get(roles.get(sample, ""), _OTHERS) for sample in shown["sample_id"]]
    if given.colour == "feature":
        sae = visit.sae(given.sae)
        values = visit.ask("feature", feature=given.feature or 0, artifact=visit.run.artifact(f"codes/{sae}").name)
        shares = {(row["sample_id"], row["prompt_id"]): row["share"] for row in values.rows}
        of = (shares.get(pair) for pair in shown.select("sample_id", "prompt_id").iter_rows())
        return [_OTHERS if share is None else _HOT + min(int(_LEVELS * share), _LEVELS - 1) for share in of]
    return [_TONES.get(modality, 1) for modality in shown["modality"]]


MEMBER = Map()
