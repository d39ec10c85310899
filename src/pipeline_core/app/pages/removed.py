"""What removing one feature does to each task, measured when it is asked for: a part of its page."""

from collections.abc import Mapping
from typing import Any

from pipeline_core.app.pages import NotFoundError, Page, Visit
from pipeline_core.app.pages._named import OfFeature


class Removed(Page):
    """Paired effects with intervals, as the table removal_effects has them for the features of the top attribution."""

    name, title, path = "removed", "Removal", "/removed"
    parameters = OfFeature
    computes = True

    def show(self, visit: Visit) -> Mapping[str, Any]:
        """Search all tasks anew without the feature."""
        from pipeline_core.app.removals import Removals  # noqa: PLC0415 - torch

        sae, feature = visit.sae(visit.given.sae), visit.given.feature
        tasks = visit.ask(sae=sae, feature=feature)
        if not tasks.rows:
            raise NotFoundError(f"{sae} has no feature {feature}", "see its features")
        run, site, model = visit.run, visit.site, sae.rpartition("/")[0]
        removals = site.once("removals", visit.run_id, model, make=lambda: Removals(run, model))
        folder = run.artifact(f"sae/{sae}")
        found = site.once(
            "removed", visit.run_id, folder.name, str(feature), make=lambda: removals.effects(folder, feature)
        )
        types = {row["task_id"]: row["task_type"] for row in tasks.rows}
        effects = [row | {"task_type": types[row["task_id"]]} for row in found.iter_rows(named=True)]
        return {"sae": sae, "feature": feature, "effects": effects, "tasks": tasks}


MEMBER = Removed()
