"""A query's result as people and programs want it: a table for the terminal, CSV, JSON."""

import csv
import io
import itertools
import json
import math
from datetime import datetime
from typing import Any

from rich.markup import escape
from rich.table import Table

from pipeline_core.warehouse.query import QueryResult

_NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE", "DECIMAL")
_LIST_SHOWN = 4
_ITEM_WIDTH = 40
_DIGITS = 4


def to_table(result: QueryResult, max_rows: int = 200) -> Table:
    """Format for a terminal: numbers right-aligned and rounded, long lists cut, NULL shown, ``max_rows`` rows."""
    table = Table(header_style="bold")
    for name, kind in zip(result.columns, result.types, strict=True):
        table.add_column(escape(name), justify="right" if kind.startswith(_NUMERIC) and "[" not in kind else "left")
    for row in result.rows[:max_rows]:
        table.add_row(*("[dim]NULL[/dim]" if value is None else escape(_shown(value)) for value in row))
    if len(result.rows) > max_rows:
        caption = f"{max_rows} of {len(result.rows)} rows; --csv and --json give all"
        table.caption, table.min_width = caption, len(caption)
    return table


def to_csv(result: QueryResult) -> str:
    """Format as CSV with a header; NULL is empty, a list is JSON."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(result.columns)
    writer.writerows([_cell(value) for value in row] for row in result.rows)
    return out.getvalue()


def to_json(result: QueryResult) -> str:
    """Format as a JSON array of objects; NaN and infinities, which JSON does not know, become null.

    Of columns of one name, the second is called ``name_2``: an object has each once.
    """
    names: list[str] = []
    for name in result.columns:
        numbered = (f"{name}_{n}" for n in itertools.count(2))
        names.append(
            name if name not in names else next(new for new in numbered if new not in (*names, *result.columns))
        )
    rows = [dict(zip(names, map(_json_value, row), strict=True)) for row in result.rows]
    return json.dumps(rows, ensure_ascii=False, indent=1)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.{_DIGITS}g}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(_item, value[:_LIST_SHOWN]))
        return f"[{inner}, ... {len(value)} in all]" if len(value) > _LIST_SHOWN else f"[{inner}]"
    return str(value)


def _item(value: Any) -> str:
    """Show one of a list; texts are quoted, as a comma may be one's own."""
    if value is None:
        return "NULL"
    if not isinstance(value, str):
        return _shown(value)
    return json.dumps(value if len(value) <= _ITEM_WIDTH else f"{value[: _ITEM_WIDTH - 1]}…", ensure_ascii=False)


def _cell(value: Any) -> Any:
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(_json_value(value), ensure_ascii=False)
    return _plain(value)


def _json_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _json_value(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return _plain(value)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return value.isoformat() if isinstance(value, datetime) else str(value)
