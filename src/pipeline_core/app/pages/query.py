"""One query: what is right, and what each system answers, its right answers marked."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from pydantic import Field

from pipeline_core.app.pages import NotFoundError, Page, Parameters, Visit


class Asked(Parameters):
    """A query of a task, and the model that answers it."""

    model: str = ""
    task: str
    query: str
    depth: int = Field(5, ge=1, le=50)


class Query(Page):
    """The answers of all systems side by side."""

    name, title, path = "query", "Query", "/query"
    parameters = Asked

    def show(self, visit: Visit) -> Mapping[str, Any]:
        """Answer for one query."""
        given, model = visit.given, visit.model(visit.given.model)
        which = {"task": given.task, "query": given.query}
        found = visit.ask(**which)
        if not found.rows:
            raise NotFoundError(f"the task {given.task!r} has no query {given.query!r}", "see the queries")
        artifact = visit.run.artifact(f"retrieval/{model}").name
        hits = visit.ask("hits", **which, artifact=artifact, depth=given.depth)
        return {
            "model": model,
            "models": visit.run.models,
            "row": found.rows[0],
            "asked": found,
            "right": visit.ask("right", **which),
            "hits": hits,
            "systems": [list(rows) for _, rows in groupby(hits.rows, key=lambda row: row["system_id"])],
        }


MEMBER = Query()
