"""All queries of a task: where the first right answer stands under one system and under another."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from pipeline_core.app.pages import NotFoundError, Page, Parameters, Visit
from pipeline_core.report.recall import place_of

PAGE = 40
MOVES = (("all", "all"), ("rose", "that rose"), ("fell", "that fell"), ("same", "that stayed"))


class Asked(Parameters):
    """Which queries, between which systems."""

    model: str = ""
    task: str = ""
    before: str = ""
    after: str = ""
    move: Literal["all", "rose", "fell", "same"] = "all"
    words: str = Field("", max_length=200)
    page: int = Field(1, ge=1, le=1_000_000)


class Queries(Page):
    """What moved, and by how much."""

    name, title, path, place = "queries", "Queries", "/queries", 3
    parameters = Asked

    def show(self, visit: Visit) -> Mapping[str, Any]:
        """Answer a page of a task's queries; by default from raw to ReAlign, in the first task."""
        given, model = visit.given, visit.model(visit.given.model)
        tasks = sorted(visit.ask("tasks").rows, key=lambda row: (row["control"] != "none", place_of(row["task_type"])))
        systems = visit.ask("systems", model=model).rows
        task = _chosen(given.task, [row["task_id"] for row in tasks], "task")
        ids = [row["system_id"] for row in systems]
        before = _chosen(given.before, ids, "system")
        last = next((row["system_id"] for row in systems if row["adaptation"] == "realign"), ids[-1])
        after = _chosen(given.after or last, ids, "system")
        which = {"task": task, "before": before, "after": after, "words": given.words}
        answer = visit.ask(**which, move=given.move, size=PAGE, skipped=PAGE * (given.page - 1))
        whole = answer if answer.rows else visit.ask(**which, move="all", size=1, skipped=0)
        counts = whole.rows[0] if whole.rows else None
        return {
            "model": model,
            "models": visit.run.models,
            "tasks": tasks,
            "task": next(row for row in tasks if row["task_id"] == task),
            "systems": [(row["system_id"], row["label"]) for row in systems],
            "before": before,
            "after": after,
            "labels": {row["system_id"]: row["label"] for row in systems},
            "answer": answer,
            "counts": counts,
            "moves": MOVES,
            "size": PAGE,
            "total": counts["n" if given.move == "all" else f"n_{given.move}"] if counts else 0,
        }


def _chosen(name: str, known: list[str], what: str) -> str:
    if not known or (name and name not in known):
        raise NotFoundError(f"there is no {what} {name!r}", f"there is {', '.join(known) or 'none'}")
    return name or known[0]


MEMBER = Queries()
