"""The console: one reading statement on the warehouse, its answer as table, chart or CSV, the schema, examples."""

from collections.abc import Mapping
from functools import cache
from threading import BoundedSemaphore
from typing import Any, Literal

from pydantic import Field

from pipeline_core.app.charting import Chart, chart, numeric
from pipeline_core.app.pages import Page, Parameters, Reply, Visit
from pipeline_core.errors import QueryError
from pipeline_core.store.journal import LATEST
from pipeline_core.warehouse.format import to_csv
from pipeline_core.warehouse.query import QueryResult, query

ROWS_SHOWN = 500
LIMIT_SECONDS = 20.0
_AT_ONCE = 2
"""Questions that are answered at a time: each may take the memory that ``lens sql`` may."""

EXAMPLES = {
    "the ten features with the largest attribution": (
        "select feature_id, attribution, modality, top_texts, top_pictures\n"
        "from feature_summary\norder by attribution desc\nlimit 10"
    ),
    "recall by task and system": (
        "select task_type, model, label, hit_rate, low, high\n"
        "from recall\nwhere named\norder by task_type, model, hit_rate desc"
    ),
    "verdicts on the paper's claims": "select claim, verdict, statement, reason\nfrom latest.claims\norder by claim",
    "what each stage took": (
        "select name, build_seconds, peak_memory_bytes\nfrom stage_times\norder by build_seconds desc"
    ),
}

CHARTS = (("", "none"), ("bars", "bars"), ("points", "points"), ("line", "a line"))

_places = BoundedSemaphore(_AT_ONCE)


class Asked(Parameters):
    """A statement."""

    sql: str = Field("", max_length=50_000)
    form: Literal["page", "csv"] = "page"
    chart: Literal["", "bars", "points", "line"] = ""
    x: str = Field("", max_length=200)
    y: str = Field("", max_length=200)


class Sql(Page):
    """Anything that the pages do not answer."""

    name, title, path, place = "sql", "SQL", "/sql", 7
    parameters = Asked

    def show(self, visit: Visit) -> Mapping[str, Any] | Reply:
        """Answer the statement; what cannot be answered is told beside it."""
        given = visit.given
        result: QueryResult | None = None
        drawn: Chart | None = None
        problem = ""
        if given.sql.strip():
            try:
                result = _answer(visit, given.sql)
                drawn = chart(result, given.chart, given.x, given.y) if given.chart and given.form == "page" else None
            except QueryError as error:
                if given.form == "csv":
                    raise
                problem = str(error)
        if result is not None and given.form == "csv":
            return Reply(to_csv(result).encode(), "text/csv", "answer.csv")
        return {
            "result": result,
            "problem": problem,
            "drawn": drawn,
            "charts": CHARTS,
            "numbers": numeric(result) if result else [],
            "rows": result.rows[:ROWS_SHOWN] if result else (),
            "shown": ROWS_SHOWN,
            "examples": EXAMPLES,
            "schema": _schema(),
            "seconds": LIMIT_SECONDS,
        }


def _answer(visit: Visit, sql: str) -> QueryResult:
    of_run = None if visit.given.run == LATEST else visit.run_id
    if not _places.acquire(timeout=LIMIT_SECONDS):
        raise QueryError("others ask as much as can be answered at a time", "ask again in a moment")
    try:
        return query(visit.site.root, sql, limit_seconds=LIMIT_SECONDS, run_id=of_run)
    finally:
        _places.release()


@cache
def _schema() -> list[Any]:
    from pipeline_core.warehouse.catalog import describe_relations  # noqa: PLC0415 - pyarrow

    return describe_relations()


MEMBER = Sql()
