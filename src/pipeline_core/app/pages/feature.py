"""One feature: what it is largest on, what it is called and why, whom it serves, what it meets, what it is good for."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline_core.app.pages import NotFoundError, Page, Visit
from pipeline_core.app.pages._named import OfFeature, by_feature, named
from pipeline_core.retrieval.maps import unit
from pipeline_core.sae.artifact import load_dictionary

_NEAREST = 8


class Feature(Page):
    """A feature and the evidence for what it is."""

    name, title, path = "feature", "Feature", "/feature"
    parameters = OfFeature

    def show(self, visit: Visit) -> Mapping[str, Any]:
        """Answer all that is stored of it; its nearest neighbours are cosines of the dictionary."""
        sae, feature = visit.sae(visit.given.sae), visit.given.feature
        which = {"sae": sae, "feature": feature}
        facts = visit.ask(**which)
        if not facts.rows:
            raise NotFoundError(f"{sae} has no feature {feature}", "see its features")
        words = visit.ask("words", **which)
        near = _nearest(visit, sae, feature)
        known = by_feature(named(visit, sae, (other for other, _ in near)))
        return {
            "sae": sae,
            "feature": feature,
            "facts": facts,
            "row": facts.rows[0],
            "examples": visit.ask("examples", **which),
            "words": words,
            "called": [row["word"] for row in words.rows if row["share"] >= 0.5 and row["lift"] > 1][:3],
            "pairs": visit.ask("pairs", **which),
            "effects": visit.ask("effects", **which),
            "near": [(other, cosine, known.get(other)) for other, cosine in near],
        }


def _nearest(visit: Visit, sae: str, feature: int) -> list[tuple[int, float]]:
    """Return the features whose rows of the dictionary have the largest cosines with one's, and the cosines."""
    folder = visit.run.artifact(f"sae/{sae}")
    directions = visit.site.once("directions", folder.name, make=lambda: unit(load_dictionary(folder)))
    cosines = directions @ directions[feature]
    cosines[feature] = -np.inf
    found = np.argsort(-cosines, kind="stable")[:_NEAREST]
    return [(int(other), float(cosines[other])) for other in found]


MEMBER = Feature()
