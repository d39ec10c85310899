"""Questions of users in SQL: one reading statement on a locked connection, answered whole or refused in one line."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any, Literal

import duckdb

from pipeline_core.errors import QueryError, see_to_files
from pipeline_core.warehouse.current import current_warehouse
from pipeline_core.warehouse.parameters import Value, given, literal

TOP_FEATURES = Path(__file__).with_name("top_features.sql")

LIMIT_SECONDS = 120.0
LIMIT_ROWS = 1_000_000
LIMIT_MEMORY = "4GB"
"""What one question may take; nothing is written to a disk for want of memory."""

_REMEDY = "see tables and columns with lens sql --schema"
_DAMAGED = "lens verify names what is missing or damaged; lens verify --repair, then lens run, mends it"
_PARQUET = ".parquet"
_NO_TABLE = "TProtocolException"
"""What DuckDB says, without a name, where a Parquet file's own description is damaged."""

_SMALLER = "ask for less: aggregate, filter, or give a limit"


@dataclass(frozen=True)
class QueryResult:
    """Columns, no two of one name, their SQL types, and rows as Python values."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def open_warehouse(store_root: Path, run_id: str | None = None) -> duckdb.DuckDBPyConnection:
    """Open the current warehouse read only; of all files, only those of the store can be reached.

    Args:
        store_root: folder of the store.
        run_id: the completed run that scopes and views are to show; the latest otherwise.

    Raises:
        QueryError: the store has no warehouse yet, or it cannot be opened, or does not hold the run.
    """
    with files_told():  # of a store that was moved it is built anew
        path = current_warehouse(store_root)
    # Attached to a database of its own, because connections to one file share settings, and these get locked.
    connection = duckdb.connect(":memory:")
    try:
        connection.execute(f"ATTACH {literal(str(path))} AS warehouse (READ_ONLY)")
        connection.execute("USE warehouse")
        connection.execute(f"SET memory_limit = '{LIMIT_MEMORY}'")
        connection.execute("SET temp_directory = ''")
        connection.execute("SET enable_progress_bar = false")
        # The views read Parquet files of the store, so it stays reachable when all else is closed.
        connection.execute(f"SET allowed_directories = [{literal(str(store_root.resolve()))}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET TimeZone = 'UTC'")
        if run_id is not None:
            connection.execute(f"SET VARIABLE run = {literal(run_id)}")
        connection.execute("SET lock_configuration = true")
    except duckdb.Error as error:
        connection.close()
        see_to_files(error)
        raise QueryError(f"the warehouse cannot be opened: {_one_line(error)}", "run lens run again") from None
    with files_told():
        shown = connection.execute("SELECT run_id FROM latest_run").fetchall() if run_id is not None else []
    if run_id is not None and shown != [(run_id,)]:
        connection.close()
        raise QueryError(f"the warehouse does not show the run {run_id}", "lens run publishes it anew")
    return connection


def query(
    store_root: Path,
    sql: str,
    parameters: Mapping[str, Value] | None = None,
    limit_seconds: float = LIMIT_SECONDS,
    run_id: str | None = None,
) -> QueryResult:
    """Answer one SELECT (or PIVOT, DESCRIBE, SHOW, SUMMARIZE) statement.

    Args:
        store_root: folder of the store.
        sql: the statement; lines at its head may give values of its parameters (``-- $item = "Table 3"``), as the texts
            that the report shows do.
        parameters: values of its parameters ``$name``, before those at its head.
        limit_seconds: time that it may take.
        run_id: the completed run that scopes and views are to show; the latest otherwise.

    Raises:
        QueryError: the statement cannot be parsed or answered, does more than read, is not alone, or takes more time,
            memory or rows than a question may.
    """
    try:
        values = given(sql) | dict(parameters or {})
    except (ValueError, RecursionError) as error:
        raise QueryError(f"a value at the head is not JSON: {error}", 'write -- $name = "text" or a number') from None
    with open_warehouse(store_root, run_id) as connection:
        try:
            statements = connection.extract_statements(sql)
            if len(statements) != 1:
                raise QueryError(f"{len(statements)} statements were given", "give one")
            if not _only_reads(connection, statements[0]):
                kind = statements[0].type.name.lower()
                raise QueryError(
                    f"the warehouse is only read: {kind} statements are refused", "give a select statement"
                )
            with _in_time(connection, limit_seconds):
                return _result(connection.execute(statements[0], values))
        except duckdb.InterruptException:
            raise QueryError(f"the question takes more than {limit_seconds:g} s", _SMALLER) from None
        except (duckdb.OutOfMemoryException, MemoryError):
            raise QueryError(f"the question takes more memory than {LIMIT_MEMORY}", _SMALLER) from None
        except duckdb.Error as error:
            raise refused(error) from None


def refused(error: duckdb.Error, remedy: str = _REMEDY) -> QueryError:
    """Return in one line what the warehouse does not answer: a file of the store that is gone or damaged, or another.

    Args:
        error: what DuckDB raised.
        remedy: what to do about others.

    Raises:
        OSError: this process may open no more files.
    """
    see_to_files(error)
    line = _one_line(error)
    if _NO_TABLE in line:
        return QueryError(f"a Parquet file of the store cannot be read: {line}", _DAMAGED)
    of_files = isinstance(error, duckdb.IOException | duckdb.InvalidInputException) and _PARQUET in line
    return QueryError(line, _DAMAGED if of_files else remedy)


@contextmanager
def files_told() -> Iterator[None]:
    """Tell in one line of files that cannot be read, and of whatever else a question of ours is not answered for.

    Raises:
        QueryError: DuckDB raised an error.
    """
    try:
        yield
    except duckdb.Error as error:
        raise refused(error, "run lens run again, which publishes the warehouse anew") from None


def top_features(
    store_root: Path,
    by: Literal["attribution", "energy", "bridge_abs", "bridge_diagonal", "modality"],
    sae_id: str | None,
    limit: int,
    run_id: str | None = None,
) -> QueryResult:
    """Return the features of a run, the latest if none is named, of one SAE or of all, with the largest in a column.

    Raises:
        QueryError: the run has no such SAE, or there is no warehouse yet.
    """
    with open_warehouse(store_root, run_id) as connection, files_told():
        known = [
            row[0] for row in connection.execute("SELECT DISTINCT sae_id FROM feature_summary ORDER BY 1").fetchall()
        ]
        if sae_id is not None and sae_id not in known:
            raise QueryError(f"the run has no sparse autoencoder {sae_id!r}", f"known: {', '.join(known) or 'none'}")
        values = {"by": by, "sae_id": sae_id, "limit": limit}
        return _result(connection.execute(TOP_FEATURES.read_text(encoding="utf-8"), values))


def schema_text() -> str:
    """Describe every view and table with its columns, types and meanings, as plain text."""
    # The schema brings pyarrow, which a query does without.
    from pipeline_core.warehouse.catalog import SCOPES, describe_relations  # noqa: PLC0415

    blocks = ["\n".join(f"{scope}.<table>: {meaning}" for scope, meaning in SCOPES.items())]
    for relation in describe_relations():
        name_width, type_width = (max(len(c[n]) for c in relation.columns) for n in (0, 1))
        lines = [f"  {name:<{name_width}}  {kind:<{type_width}}  {meaning}" for name, kind, meaning in relation.columns]
        blocks.append("\n".join([f"{relation.name}: {relation.meaning}", *lines]))
    return "\n\n".join(blocks) + "\n"


@contextmanager
def _in_time(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    timer = Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _only_reads(connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> bool:
    """Say whether a statement is a select, or a PIVOT that the parser turns into several: only these fit into one."""
    if statement.type is duckdb.StatementType.SELECT:
        return True
    if statement.type is not duckdb.StatementType.MULTI:
        return False
    try:
        within = connection.extract_statements(f"FROM (\n{statement.query.rstrip().rstrip(';')}\n)")
    except duckdb.ParserException:
        return False
    return len(within) == 1


def _result(answered: duckdb.DuckDBPyConnection) -> QueryResult:
    rows = answered.fetchmany(LIMIT_ROWS + 1)
    if len(rows) > LIMIT_ROWS:
        raise QueryError(f"the answer has more than {LIMIT_ROWS:,} rows", _SMALLER)
    described = answered.description or []
    names, types = (tuple(str(column[n]) for column in described) for n in (0, 1))
    return QueryResult(_told_apart(names), types, tuple(rows))


def _told_apart(names: tuple[str, ...]) -> tuple[str, ...]:
    """Number the later columns of one name, as objects of JSON hold each name once: n, n_2."""
    found: list[str] = []
    for name in names:
        numbered = (name, *(f"{name}_{n}" for n in range(2, len(names) + 2)))
        found.append(next(free for free in numbered if free not in found))
    return tuple(found)


def _one_line(error: duckdb.Error) -> str:
    # The parser draws its position below a copy of the statement, which the user has just typed.
    message = re.split(r"\n+LINE \d+:", str(error))[0]
    return re.sub(r"\s+", " ", message).strip()
