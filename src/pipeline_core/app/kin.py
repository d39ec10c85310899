"""What pictures without a text of their own are called: variants of what a caption of their group names."""

import json
from pathlib import Path
from typing import Any

import duckdb

from pipeline_core.app.answers import ask

_SQL = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").strip()


def with_kin(connection: duckdb.DuckDBPyConnection, run_id: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of samples, those of pictures without a text with ``kin``: what their page shows for a name.

    Rows that are of no samples, or have texts, are as they were.

    Args:
        connection: that of the visit.
        run_id: the run.
        rows: with sample_id, image_ref and text, if they are of samples.

    Raises:
        QueryError: the warehouse is of another version.
    """
    if not rows or not rows[0].keys() >= {"sample_id", "image_ref", "text"}:
        return rows
    unnamed = {row["sample_id"] for row in rows if _is_unnamed(row)}
    if not unnamed:
        return rows
    found = ask(connection, run_id, _SQL, {"samples": json.dumps(sorted(unnamed))})
    names = {row["sample_id"]: f"variant of {row['text']}" for row in found.rows}
    return [row | {"kin": names.get(row["sample_id"])} if _is_unnamed(row) else row for row in rows]


def _is_unnamed(row: dict[str, Any]) -> bool:
    return bool(row["image_ref"]) and row["text"] is None
