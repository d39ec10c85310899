"""All features of an autoencoder: a table that DuckDB sorts and filters, and their energy against their attribution."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

from pipeline_core.app.pages import Page, Parameters, Reply, Visit
from pipeline_core.app.pages._named import by_feature, of_features
from pipeline_core.app.points import points

PAGE = 40

Kind = Literal["alive", "pictures", "shared", "texts", "always on", "dead", "all"]
Sort = Literal["attribution", "energy", "frequency", "modality", "bridge", "feature"]

KINDS: tuple[tuple[Kind, str], ...] = (
    ("alive", "that are alive"),
    ("pictures", "that serve pictures"),
    ("shared", "that serve both"),
    ("texts", "that serve texts"),
    ("always on", "always on"),
    ("dead", "dead"),
    ("all", "all"),
)


class Asked(Parameters):
    """Which features, in which order."""

    sae: str = ""
    kind: Kind = "alive"
    words: str = Field("", max_length=200)
    sort: Sort = "attribution"
    up: bool = False
    page: int = Field(1, ge=1, le=1_000_000)
    energy_from: float | None = None
    energy_to: float | None = None
    attribution_from: float | None = None
    attribution_to: float | None = None
    form: Literal["page", "points"] = "page"


class Features(Page):
    """What the embeddings are made of."""

    name, title, path, place = "features", "Features", "/features", 1
    parameters = Asked

    def show(self, visit: Visit) -> Mapping[str, Any] | Reply:
        """Answer one page of the table, or all points of the drawing."""
        given, sae = visit.given, visit.sae(visit.given.sae)
        if given.form == "points":
            return visit.kept(lambda: _drawing(visit, sae))
        answer = visit.ask(
            sae=sae,
            kind=given.kind,
            words=given.words,
            sort=given.sort,
            up=given.up,
            size=PAGE,
            skipped=PAGE * (given.page - 1),
            energy_from=_bound(given.energy_from, -math.inf),
            energy_to=_bound(given.energy_to, math.inf),
            attribution_from=_bound(given.attribution_from, -math.inf),
            attribution_to=_bound(given.attribution_to, math.inf),
        )
        shown = (row["feature_id"] for row in answer.rows)
        words = of_features(visit, "words", self.sql("words"), sae, shown)
        return {
            "sae": sae,
            "saes": visit.run.saes,
            "words": words,
            "named": by_feature(words),
            "answer": answer,
            "total": answer.rows[0]["n"] if answer.rows else 0,
            "kinds": KINDS,
            "size": PAGE,
            "axes": _axes(visit, sae),
        }


def _bound(given: float | None, otherwise: float) -> float:
    # JSON, in which values are told, knows no infinity; no statistic is as large as this.
    return given if given is not None else math.copysign(1e300, otherwise)


def _axes(visit: Visit, sae: str) -> dict[str, tuple[float, float]]:
    """Return the decades that each axis spans: logarithms of the least and the largest value above 0."""
    (found,) = visit.ask("axes", sae=sae).rows
    return {name: _decades(found[f"{name}_from"], found[f"{name}_to"]) for name in ("energy", "attribution")}


def _decades(least: float | None, largest: float | None) -> tuple[float, float]:
    if least is None or largest is None:
        return -1.0, 1.0
    low, high = math.log10(least), math.log10(largest)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _drawing(visit: Visit, sae: str) -> Reply:
    axes, every = _axes(visit, sae), visit.ask("points", sae=sae)

    def along(name: str) -> np.ndarray:
        low, high = axes[name]
        values = np.array([row[name] for row in every.rows], dtype=float)
        # What has no logarithm lies on the edge.
        return np.asarray((np.log10(np.maximum(values, 10**low)) - low) / (high - low))

    tones = [0 if row["modality"] < 1 / 3 else 2 if row["modality"] > 2 / 3 else 1 for row in every.rows]
    labels = [
        f"feature {row['feature_id']}: energy {row['energy']:.3g}, attribution {row['attribution']:.3g}, "
        f"{100 * row['modality']:.0f}% of its energy from texts"
        for row in every.rows
    ]
    links = [visit.link("/feature", sae=sae, feature=row["feature_id"]) for row in every.rows]
    return points(along("energy"), along("attribution"), tones, labels, links)


MEMBER = Features()
