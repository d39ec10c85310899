"""Data contracts as read from ``data_contracts/<table>.yaml``, joined with what the schema already promises.

The YAML holds what is specific to a table. That columns which may not be NULL are not, and that keys are unique,
follows from the schema, so it is generated here instead of being repeated in every file.
"""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import yaml
from pydantic import BaseModel, ConfigDict, Field

from pipeline_core.schema import TABLES, Table

PACKAGE = "data_contracts"

Severity = Literal["critical", "warning"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Meta(_Part):
    """What an expectation carries beside its arguments."""

    reason: str = Field(min_length=1)


class Expectation(_Part):
    """A Great Expectations expectation on the rows of the table, its list columns replaced by derived scalars."""

    type: str
    kwargs: dict[str, Any]
    severity: Severity = "critical"
    meta: Meta

    @property
    def column(self) -> str:
        """The column it is about, '' when it is about the whole table."""
        return str(self.kwargs.get("column", ""))


class Violation(_Part):
    """A query for the rows that break a rule: none are expected. Its first columns should identify the row.

    Attributes:
        name: what is wrong with such a row.
        column: the column that it is about, '' for the whole row.
        sql: may name every table of the same artifact, and parameters as ``getvariable('name')``.
        parameters: values that the caller must give; without them the rule is neither checked nor recorded.
        severity: critical refuses publication.
        reason: why it is expected.
    """

    name: str
    column: str
    sql: str
    parameters: tuple[str, ...] = ()
    severity: Severity = "critical"
    reason: str = Field(min_length=1)


class Contract(_Part):
    """The contract of one table.

    Attributes:
        table: the table's name.
        heavy: too many rows for a data frame: every rule is a query, none an expectation on rows.
        derive: SQL expressions over one row, computed once in DuckDB; list columns are seen only through them.
        expectations: on rows.
        violations: by query.
    """

    table: str
    heavy: bool = False
    derive: dict[str, str] = Field(default_factory=dict)
    expectations: tuple[Expectation, ...] = ()
    violations: tuple[Violation, ...] = ()


@cache
def load_contract(table: str) -> Contract:
    """Read the contract of a table and add what the schema promises."""
    contract = Contract.model_validate({"table": table, **(yaml.safe_load(written_contract(table)) or {})})
    if contract.heavy:
        generated = _promised_by_query(TABLES[table])
        return contract.model_copy(update={"violations": (*generated, *contract.violations)})
    return contract.model_copy(update={"expectations": (*_promised_on_rows(TABLES[table]), *contract.expectations)})


def written_contract(table: str) -> str:
    """Return the contract of a table as it was written."""
    brought = TABLES[table].contract
    return (contracts_folder() / f"{table}.yaml").read_text(encoding="utf-8") if brought is None else brought


def contracts_folder() -> Path:
    """Return the folder of the YAML files; the package is located, not imported, because it lies outside the core."""
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None and spec.submodule_search_locations, f"the package {PACKAGE} is not installed"
    return Path(next(iter(spec.submodule_search_locations)))


def scalar_columns(table: Table) -> list[str]:
    """Return the columns of a table that are no lists."""
    return [c.name for c in table.columns if not pa.types.is_nested(c.type)]


def required_columns(table: Table) -> list[str]:
    """Return the scalar columns of a table that may not be NULL."""
    scalar = scalar_columns(table)
    return [c.name for c in table.columns if not c.nullable and c.name in scalar]


def _promised_on_rows(table: Table) -> list[Expectation]:
    promise = "the schema does not mark it nullable"
    required = [
        _expect("expect_column_values_to_not_be_null", {"column": name}, promise) for name in required_columns(table)
    ]
    reason = f"({', '.join(table.key)}) is the key of the table"
    if len(table.key) == 1:
        return [*required, _expect("expect_column_values_to_be_unique", {"column": table.key[0]}, reason)]
    return [*required, _expect("expect_compound_columns_to_be_unique", {"column_list": list(table.key)}, reason)]


def _expect(kind: str, kwargs: dict[str, Any], reason: str) -> Expectation:
    return Expectation(type=kind, kwargs=kwargs, meta=Meta(reason=reason))


def _promised_by_query(table: Table) -> list[Violation]:
    key = ", ".join(f'"{name}"' for name in table.key)
    duplicate = Violation(
        name="duplicate_key",
        column="",
        sql=f'SELECT {key}, count(*) AS "rows" FROM {table.name} GROUP BY {key} HAVING count(*) > 1',  # noqa: S608
        reason=f"({', '.join(table.key)}) is the key of the table",
    )
    required = [
        Violation(
            name=f"{name}_is_null",
            column=name,
            sql=f'SELECT {key} FROM {table.name} WHERE "{name}" IS NULL',  # noqa: S608
            reason="the schema does not mark it nullable",
        )
        for name in required_columns(table)
    ]
    return [duplicate, *required]
