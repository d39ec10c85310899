"""One feature: what it is largest on, what it is called and why, whom it serves, what it meets, what it is good for."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline_core.app.pages import NotFoundError, Page, Visit
from pipeline_core.app.pages._named import OfFeature, by_feature, named
from pipeline_core.app.pages._words import words
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
        examples, pairs = visit.ask("examples", **which), visit.ask("pairs", **which)
        said = words(visit, self.sql("words"), sae, feature, examples)
        near = _nearest(visit, sae, feature)
        met = (row["feature_id"] for row in pairs.rows)
        known = by_feature(named(visit, sae, [*met, *(other for other, _ in near)]))
        return {
            "sae": sae,
            "feature": feature,
            "facts": facts,
            "row": facts.rows[0],
            "examples": examples,
            "words": said,
            "called": [row["word"] for row in said.rows if row["share"] >= 0.5 and row["lift"] > 1][:3],
            "pairs": pairs,
            "known": known,
            "effects": visit.ask("effects", **which),
            "near": [(other, cosine, known.get(other)) for other, cosine in near],
        }


def _nearest(visit: Visit, sae: str, feature: int) -> list[tuple[int, float]]:
    """Return the features whose rows of the dictionary have the largest cosines with one's, and the cosines."""
    folder = visit.run.artifact(f"sae/{sae}")
    directions = visit.site.once("directions", folder.name, make=lambda: unit(load_dictionary(folder)))
    cosines = directions @ directions[feature]
    cosines[feature] = -np.inf
    least = np.partition(cosines, -_NEAREST)[-_NEAREST] if len(cosines) > _NEAREST else -np.inf
    some = np.flatnonzero(cosines >= least)
    found = some[np.argsort(-cosines[some], kind="stable")][:_NEAREST]
    return [(int(other), float(cosines[other])) for other in found]


MEMBER = Feature()
