"""The one catalogue of relations, of warehouse and report alike: tables of the schema, scopes, views with answers."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from pipeline_core.schema import TABLES, Column, Table
from pipeline_core.schema.model import STRING, column
from pipeline_core.warehouse.parameters import literal

STAGE = "warehouse"
"""The stage of the tables that the warehouse itself writes: what manifests and journals say, and reference data."""

OVER_PARQUET = frozenset({"embeddings", "tokens", "codes", "retrieval_hits"})
"""Tables too large to copy: views over the Parquet files of the store."""

LATEST = Path(__file__).with_name("latest.sql")
VIEWS = Path(__file__).with_name("views.sql")
SQL = (LATEST, VIEWS)

SCOPES = {
    "latest": "the rows of the analysis in the latest completed run, its repetitions left out",
    "seeds": "the rows of every repetition in the latest completed run, each with its number in the column repetition",
}
"""Schemas that hold every table of artifacts under its own name, by what they keep of it."""

_ARTIFACT = column("artifact", STRING, "the artifact that the row comes from: fingerprint, first 16 digits")
_REPETITION = "0 for the analysis itself, 1 and more for the repetitions with other seeds"

_SQL_TYPES = {
    pa.string(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.uint32(): "UINTEGER",
    pa.float16(): "FLOAT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.timestamp("us", tz="UTC"): "TIMESTAMPTZ",
}


@dataclass(frozen=True)
class Part:
    """What one artifact contributes to a table: its short fingerprint and its Parquet files."""

    artifact: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Relation:
    """A table or view as users see it."""

    name: str
    meaning: str
    columns: tuple[tuple[str, str, str], ...]
    """(name, SQL type, meaning) of each column."""


def create_catalog(
    connection: duckdb.DuckDBPyConnection,
    parts: Mapping[str, Sequence[Part]],
    over_parquet: Container[str] = OVER_PARQUET,
    described: bool = True,
) -> None:
    """Create every table, scope and view.

    Args:
        connection: to an empty database.
        parts: what there is of each table; tables that it does not name are empty.
        over_parquet: the tables that are views over their files; the others are copied.
        described: whether each relation and column of the schema gets a comment, which takes half of the time; a
            catalogue that nobody looks into can do without.
    """
    connection.execute("SET enable_progress_bar = false")  # it is drawn where answers are printed
    connection.execute("BEGIN")
    for table in TABLES.values():
        viewed = table.name in over_parquet
        (_create_view if viewed else _create_table)(connection, table, parts.get(table.name, ()))
        if described:
            _describe(connection, "VIEW" if viewed else "TABLE", table.name, table.meaning, warehouse_columns(table))
    connection.execute(LATEST.read_text(encoding="utf-8"))
    for scope in SCOPES:
        connection.execute(f"CREATE SCHEMA {scope}")
    for table in TABLES.values():
        _create_scoped(connection, table, described)
    connection.execute(VIEWS.read_text(encoding="utf-8"))
    if described:
        _comment_inherited_columns(connection)
    connection.execute("COMMIT")


def warehouse_columns(table: Table) -> tuple[Column, ...]:
    """Return a table's columns in the warehouse: those of the schema, after the artifact that they come from."""
    return table.columns if table.stage == STAGE else (_ARTIFACT, *table.columns)


def describe_relations() -> list[Relation]:
    """Describe every table and view, views for common questions first, from the catalog of an empty warehouse.

    The scopes, which hold the same tables again, are left out.
    """
    with duckdb.connect() as connection:
        create_catalog(connection, {})
        meanings = dict(
            connection.execute(
                "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal AND schema_name = 'main' "
                "UNION ALL SELECT table_name, comment FROM duckdb_tables() ORDER BY ALL"
            ).fetchall()
        )
        columns: dict[str, list[tuple[str, str, str]]] = {name: [] for name in meanings}
        for name, *described in connection.execute(
            "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
            "WHERE NOT internal AND schema_name = 'main' ORDER BY table_name, column_index"
        ).fetchall():
            columns[name].append((described[0], described[1], described[2]))
    order = [*(name for name in meanings if name not in TABLES), *TABLES]
    return [Relation(name, meanings[name], tuple(columns[name])) for name in order]


def _create_table(connection: duckdb.DuckDBPyConnection, table: Table, parts: Sequence[Part]) -> None:
    columns = ", ".join(
        f'"{c.name}" {_sql_type(c.type)}{"" if c.nullable else " NOT NULL"}' for c in warehouse_columns(table)
    )
    connection.execute(f"CREATE TABLE {table.name} ({columns})")
    if parts:
        connection.execute(f"INSERT INTO {table.name} BY NAME {_copied(table, parts)}")


def _create_view(connection: duckdb.DuckDBPyConnection, table: Table, parts: Sequence[Part]) -> None:
    nothing = ", ".join(f'NULL::{_sql_type(c.type)} AS "{c.name}"' for c in warehouse_columns(table))
    selects = [_select(table, part) for part in parts] or [f"SELECT {nothing} WHERE false"]
    connection.execute(f"CREATE VIEW {table.name} AS {' UNION ALL '.join(selects)}")


def _create_scoped(connection: duckdb.DuckDBPyConnection, table: Table, described: bool) -> None:
    columns = warehouse_columns(table)
    names = {c.name for c in columns}
    if "artifact" not in names:
        return
    # Inside a scope the bare name would be the view itself.
    scopes = {"latest": f"FROM main.{table.name} SEMI JOIN main.latest_artifacts USING (artifact)"}
    if "repetition" not in names:
        scopes["seeds"] = (
            f"SELECT {table.name}.*, repetition FROM main.{table.name} JOIN main.latest_repetitions USING (artifact)"  # noqa: S608  (names of the schema)
        )
    for scope, select in scopes.items():
        name = f"{scope}.{table.name}"
        connection.execute(f"CREATE VIEW {name} AS {select}")
        if described:
            _describe(connection, "VIEW", name, f"{table.meaning} Only {SCOPES[scope]}.", columns)
    if described and "seeds" in scopes:
        _comment(connection, f"seeds.{table.name}", "repetition", _REPETITION)


def _select(table: Table, part: Part) -> str:
    artifact = "" if table.stage == STAGE else f"{literal(part.artifact)} AS artifact, "
    files = ", ".join(literal(str(file)) for file in part.files)
    return f"SELECT {artifact}{_columns(table)} FROM read_parquet([{files}])"  # noqa: S608


def _copied(table: Table, parts: Sequence[Part]) -> str:
    """Return what reads all parts at once, in their order: a third of the time of a statement for each."""
    if table.stage == STAGE:
        return _select(table, Part("", tuple(file for part in parts for file in part.files)))
    files = [(literal(str(file)), literal(part.artifact)) for part in parts for file in part.files]
    artifact = f"[{', '.join(artifact for _, artifact in files)}][file_index::BIGINT + 1] AS artifact"
    # file_index is DuckDB's own column; a join on the name would mix the rows of files.
    return f"SELECT {artifact}, {_columns(table)} FROM read_parquet([{', '.join(file for file, _ in files)}])"  # noqa: S608


def _columns(table: Table) -> str:
    return ", ".join(f'"{c.name}"::{_sql_type(c.type)} AS "{c.name}"' for c in table.columns)


def _comment_inherited_columns(connection: duckdb.DuckDBPyConnection) -> None:
    # A view's column means what the schema's column of that name means, unless views.sql says otherwise; a name with
    # several meanings in the schema must be explained there.
    meanings: dict[str, set[str]] = {}
    for table in TABLES.values():
        for c in warehouse_columns(table):
            meanings.setdefault(c.name, set()).add(c.meaning)
    uncommented = connection.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND comment IS NULL"
    ).fetchall()
    for view, name in uncommented:
        if len(meanings.get(name, ())) == 1:
            _comment(connection, view, name, next(iter(meanings[name])))


def _describe(
    connection: duckdb.DuckDBPyConnection, kind: str, relation: str, meaning: str, columns: Sequence[Column]
) -> None:
    comments = [f"COMMENT ON {kind} {relation} IS {literal(meaning)}"]
    comments += [f'COMMENT ON COLUMN {relation}."{c.name}" IS {literal(c.meaning)}' for c in columns]
    connection.execute(";".join(comments))


def _comment(connection: duckdb.DuckDBPyConnection, relation: str, name: str, meaning: str) -> None:
    connection.execute(f'COMMENT ON COLUMN {relation}."{name}" IS {literal(meaning)}')


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"{_sql_type(kind.value_type)}[]"
    return _SQL_TYPES[kind]


def refill(connection: duckdb.DuckDBPyConnection, files: Mapping[str, Sequence[Path]]) -> None:
    """Replace the rows of tables that the warehouse itself writes by those of their files."""
    connection.execute("BEGIN")
    for name, paths in files.items():
        connection.execute(f"DELETE FROM {name}")  # noqa: S608  (names of the schema)
        connection.execute(f"INSERT INTO {name} BY NAME {_select(TABLES[name], Part('', tuple(paths)))}")
    connection.execute("COMMIT")
