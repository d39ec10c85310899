"""A run's page in Prefect: what was done, and what was found with the SQL of every number."""

from datetime import UTC, datetime
from pathlib import Path

from flows.run_page import RECALL, page
from pipeline_core.store.journal import RunRecord
from pipeline_core.warehouse.query import QueryResult

RUN = RunRecord(run_id="r1", flow="analyze", config={}, state="completed", started=datetime(2026, 1, 1, tzinfo=UTC))


def test_each_task_of_a_model_is_a_block_with_intervals_and_bars() -> None:
    rows = (
        ("t->i", "m", "raw", 5, 25.0, 20.0, 30.0),
        ("t->i", "m", "ReAlign", 5, 100.0, 100.0, 100.0),
        ("t->i", "other", "raw", 5, 0.0, 0.0, 0.0),
    )
    text = page(QueryResult((), (), rows), RUN, Path("/store/report.html"))
    assert text.count("## t->i: hit@5 of") == 2
    assert "| raw | 25.0 | 20.0 to 30.0 | ██████░░░░░░░░░░░░░░░░░░ |" in text
    assert "| ReAlign | 100.0 | 100.0 to 100.0 | ████████████████████████ |" in text
    assert RECALL in text and "WHERE run_id = 'r1'" in text
