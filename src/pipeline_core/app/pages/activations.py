"""How strongly one feature is active, on how many pictures and texts: a part of its page, fetched behind it."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from pipeline_core.app.pages import NotFoundError, Page, Visit
from pipeline_core.app.pages._named import OfFeature

STEPS = 24


class Activations(Page):
    """A histogram by modality."""

    name, title, path = "activations", "Activations", "/activations"
    parameters = OfFeature

    def show(self, visit: Visit) -> Mapping[str, Any]:
        """Count all codes of the feature."""
        sae, feature = visit.sae(visit.given.sae), visit.given.feature
        answer = visit.ask(sae=sae, feature=feature, artifact=visit.run.artifact(f"codes/{sae}").name)
        if not answer.rows:
            raise NotFoundError(f"nothing that {sae} is measured on has codes", "see its features")
        by = {name: list(rows) for name, rows in groupby(answer.rows, key=lambda row: str(row["modality"]))}
        active = [row for row in answer.rows if row["step"]]
        return {
            "sae": sae,
            "feature": feature,
            "answer": answer,
            "by": by,
            "active": {name: sum(row["n"] for row in rows if row["step"]) for name, rows in by.items()},
            "most": max((row["n"] for row in active), default=1),
            "largest": max((row["high"] for row in active), default=0.0),
            "steps": STEPS,
        }


MEMBER = Activations()
