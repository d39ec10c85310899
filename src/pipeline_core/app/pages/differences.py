"""One run minus another, query by query, with intervals and q: a part of the overview, fetched behind it."""

from collections.abc import Mapping
from typing import Any

from pipeline_core.app.answers import Answer
from pipeline_core.app.pages import Page, Parameters, Visit, find_run
from pipeline_core.warehouse.comparing import SCORES, compare_scores
from pipeline_core.warehouse.parameters import told


class Asked(Parameters):
    """The run that is taken off."""

    beside: str


class Differences(Page):
    """What ``lens compare`` says of two runs."""

    name, title, path = "differences", "Differences", "/differences"
    parameters = Asked

    def show(self, visit: Visit) -> Mapping[str, Any]:
        """Compare the systems that both runs have, once."""
        own, other = visit.run.record, find_run(visit.site, visit.connection, visit.given.beside).record
        key = "differences", own.run_id, other.run_id
        found = visit.site.once(*key, make=lambda: compare_scores(visit.site.root, other, own))
        values = {"a": other.run_id, "b": own.run_id, "model_a": other.named("activations/")[0]}
        values |= {"model_b": visit.run.models[0], "metric": "hit_rate"}
        asked = Answer([], told(SCORES.read_text(encoding="utf-8").strip(), values))
        return {"found": found, "asked": asked, "own": own.run_id, "other": other.run_id}


MEMBER = Differences()
