"""Validation of an artifact's tables against their data contracts, before the artifact is published.

DuckDB reads the Parquet files and reduces lists to scalars, so that no vector passes through pandas. It finds the rows
that break a rule written as a query, where none may; Great Expectations judges what is expected of the rows of a table.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_core.contracts.judge import SHOWN, Judge
from pipeline_core.contracts.suites import Contract, Violation, load_contract, scalar_columns
from pipeline_core.errors import ContractError, StoreError, see_to_files
from pipeline_core.schema import TABLES, tables_of
from pipeline_core.schema.parquet import stored_schema, table_files

_WRITE = "write the table with pipeline_core.schema.parquet.write_table"

_MEMORY = "1GB"
"""What DuckDB may hold of an artifact's tables, however many rows they have; the rest it puts aside on the disk."""

_one_at_a_time = Lock()


@dataclass(frozen=True)
class ContractResult:
    """Outcome of one rule: a row of the table ``contract_results``, less the artifact."""

    table_name: str
    column_name: str
    expectation: str
    success: bool
    severity: str
    observed: str | None
    reason: str


def validate_artifact(
    stage: str, folder: Path, parameters: Mapping[str, int | float | str] | None = None
) -> list[ContractResult]:
    """Check every table that a stage wrote into a folder, and refuse it when a critical rule is broken.

    Args:
        stage: the stage; its tables are those of the schema.
        folder: the artifact's folder, published or not.
        parameters: settings that some rules compare with: for the stage ``codes``, ``k`` and ``width`` of the
            SAE, for the stage ``sae`` its ``epochs``. Rules whose parameters are missing are not checked.

    Raises:
        ContractError: a critical rule is broken, or a table or column is missing; it names table, column,
            expectation, observed value and up to 5 offending rows.
    """
    results = check_artifact(stage, folder, parameters)
    broken = [r for r in results if not r.success and r.severity == "critical"]
    if broken:
        raise _error(broken)
    return results


def check_artifact(
    stage: str, folder: Path, parameters: Mapping[str, int | float | str] | None = None
) -> list[ContractResult]:
    """Return the outcome of every rule, broken ones included; arguments as in ``validate_artifact``.

    Raises:
        ContractError: a table or column is missing or of another type, so that nothing can be checked.
    """
    given = dict(parameters or {})
    results: list[ContractResult] = []
    contracts = [load_contract(table.name) for table in tables_of(stage)]
    if not contracts:
        return results
    # Great Expectations keeps the current context in a global, and stages may run in threads.
    with _one_at_a_time, TemporaryDirectory() as aside, duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute("SET temp_directory = ?", [aside])
        for contract in contracts:
            files = _files(folder, contract)
            results.append(_check_structure(contract, files))
            _open_scalars(connection, contract, files)
        for name, value in given.items():
            connection.execute(f"SET VARIABLE {name} = ?", [value])
        judge = Judge() if any(contract.expectations for contract in contracts) else None
        for contract in contracts:
            if judge and contract.expectations:
                results += _check_rows(judge, connection, contract)
            results += _check_violations(connection, contract, given)
    return results


def _files(folder: Path, contract: Contract) -> list[Path]:
    try:
        return table_files(folder, contract.table)
    except StoreError:
        raise ContractError(
            f"table {contract.table} is missing from the output of its stage",
            "write it, with no rows if there are none",
        ) from None


def _check_structure(contract: Contract, files: Sequence[Path]) -> ContractResult:
    for file in files:
        try:
            stored = pq.read_schema(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise _unreadable(contract, error) from None
        schemas = stored, stored_schema(contract.table, stored)
        found, expected = ({field.name: field.type for field in schema} for schema in schemas)
        wrong = [name for name in expected | found if expected.get(name) != found.get(name)]
        if wrong:
            name = wrong[0]
            is_type, should_be = (str(types.get(name, "absent")) for types in (found, expected))
            raise ContractError(
                f"table {contract.table}, column {name} breaks columns_match_schema: {is_type} instead of {should_be}",
                _WRITE,
            )
    promise = "every reader relies on names and types"
    return ContractResult(contract.table, "", "columns_match_schema", True, "critical", None, promise)


def _open_scalars(connection: duckdb.DuckDBPyConnection, contract: Contract, files: Sequence[Path]) -> None:
    columns = [f'"{name}"' for name in scalar_columns(TABLES[contract.table])]
    derived = [f'{expression} AS "{name}"' for name, expression in contract.derive.items()]
    try:
        rows = connection.read_parquet([str(file) for file in files]).project(", ".join(columns + derived))
        # What is derived from lists is worked out once. What may be NaN is copied, as the statistics of a Parquet file
        # leave NaN out and DuckDB believes them. All else, the largest tables, is read where it lies.
        copied = derived or any(pa.types.is_floating(column.type) for column in TABLES[contract.table].columns)
        (rows.create if copied else rows.create_view)(contract.table)
    except duckdb.Error as error:
        raise _unreadable(contract, error) from None


def _unreadable(contract: Contract, error: Exception) -> ContractError:
    see_to_files(error)
    return ContractError(f"table {contract.table} cannot be read: {str(error).splitlines()[0]}", _WRITE)


def _check_rows(judge: Judge, connection: duckdb.DuckDBPyConnection, contract: Contract) -> list[ContractResult]:
    frame = connection.sql(f"FROM {contract.table}").to_arrow_table().to_pandas()
    outcomes = judge.outcomes(frame, contract.expectations, list(TABLES[contract.table].key))
    return [
        ContractResult(contract.table, e.column, e.type, success, e.severity, _to_json(observed), e.meta.reason)
        for e, (success, observed) in zip(contract.expectations, outcomes, strict=True)
    ]


def _check_violations(
    connection: duckdb.DuckDBPyConnection, contract: Contract, given: Mapping[str, object]
) -> list[ContractResult]:
    checked = [v for v in contract.violations if set(v.parameters) <= set(given)]
    counts = ", ".join(f"(SELECT count(*) FROM ({v.sql}))" for v in checked)  # noqa: S608
    (found,) = connection.execute(f"SELECT {counts}").fetchall()
    results = []
    for v, count in zip(checked, found, strict=True):
        observed = _to_json({"count": count, "rows": _rows(connection, v)} if count else 0)
        results.append(ContractResult(contract.table, v.column, v.name, not count, v.severity, observed, v.reason))
    return results


def _rows(connection: duckdb.DuckDBPyConnection, violation: Violation) -> list[dict[str, Any]]:
    cursor = connection.execute(f"FROM ({violation.sql}) LIMIT {SHOWN}")
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _to_json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def _error(broken: Sequence[ContractResult]) -> ContractError:
    first = broken[0]
    place = f"table {first.table_name}" + (f", column {first.column_name}" if first.column_name else "")
    more = f" (and {len(broken) - 1} more broken rules)" if len(broken) > 1 else ""
    return ContractError(
        f"{place} breaks {first.expectation}: observed {first.observed}{more}", f"expected because {first.reason}"
    )
