"""Results as a terminal table, CSV and JSON."""

import csv
import io
import json
from datetime import UTC, datetime

from rich.console import Console

from pipeline_core.warehouse.format import to_csv, to_json, to_table
from pipeline_core.warehouse.query import QueryResult

RESULT = QueryResult(
    ("name", "value", "texts", "at"),
    ("VARCHAR", "DOUBLE", "VARCHAR[]", "TIMESTAMP WITH TIME ZONE"),
    (
        ("[bold]cat, [/bold]", 0.123456, ["a", None, "c", "d", "e"], datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (None, float("nan"), None, None),
    ),
)


def printed(result: QueryResult, **options: int) -> str:
    console = Console(width=120, file=io.StringIO(), color_system=None)
    console.print(to_table(result, **options))
    return console.file.getvalue()


def test_a_table_shows_null_cuts_lists_and_takes_text_as_it_is() -> None:
    text = printed(RESULT)
    assert "[bold]cat, [/bold]" in text
    assert "NULL" in text
    assert '["a", NULL, "c", "d", ... 5 in all]' in text
    assert "0.1235" in text
    assert "2026-01-02 03:04:05" in text


def test_a_long_table_is_cut_and_says_so() -> None:
    result = QueryResult(("n",), ("INTEGER",), tuple((n,) for n in range(50)))
    text = printed(result, max_rows=3)
    assert "3 of 50 rows" in text
    assert "49" not in text


def test_csv_reads_back() -> None:
    rows = list(csv.reader(io.StringIO(to_csv(RESULT))))
    assert rows[0] == list(RESULT.columns)
    assert rows[1] == ["[bold]cat, [/bold]", "0.123456", '["a", null, "c", "d", "e"]', "2026-01-02T03:04:05+00:00"]
    assert rows[2] == ["", "nan", "", ""]


def test_json_reads_back_without_what_json_does_not_know() -> None:
    rows = json.loads(to_json(RESULT), parse_constant=no_json)
    assert rows[0]["texts"] == ["a", None, "c", "d", "e"]
    assert rows[0]["value"] == 0.123456
    assert rows[1] == {"name": None, "value": None, "texts": None, "at": None}


def no_json(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def test_json_has_every_column_though_two_have_one_name() -> None:
    result = QueryResult(("n", "n", "n_2", "n"), ("INTEGER",) * 4, ((1, 2, 3, 4),))
    assert json.loads(to_json(result)) == [{"n": 1, "n_3": 2, "n_2": 3, "n_4": 4}]
    assert to_csv(result).splitlines()[0] == "n,n,n_2,n"
