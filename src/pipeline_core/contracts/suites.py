"""Data contracts as read from ``data_contracts/<table>.yaml``, joined with what the schema already promises.

The YAML holds what is specific to a table. That columns which may not be NULL are not, and that keys are unique,
follows from the schema, so these rules are generated here instead of being repeated in every file.
"""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipeline_core.program_yaml import read_program_yaml
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
        derive: SQL expressions over one row, computed once in DuckDB; list columns are seen only through them.
        expectations: on rows, which become a data frame: a table too large for one has none.
        violations: by query; those that follow from the schema come first.
    """

    table: str
    derive: dict[str, str] = Field(default_factory=dict)
    expectations: tuple[Expectation, ...] = ()
    violations: tuple[Violation, ...] = ()


@cache
def load_contract(table: str) -> Contract:
    """Read the contract of a table and add what the schema promises."""
    contract = Contract.model_validate({"table": table, **(read_program_yaml(written_contract(table)) or {})})
    return contract.model_copy(update={"violations": (*_promised(TABLES[table]), *contract.violations)})


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


def _promised(table: Table) -> list[Violation]:
    key = ", ".join(f'"{name}"' for name in table.key)
    duplicate = Violation(
        name="duplicate_key",
        column=table.key[0] if len(table.key) == 1 else "",
        sql=f'SELECT {key}, count(*) AS "rows" FROM {table.name} GROUP BY {key} HAVING count(*) > 1',  # noqa: S608
        reason=f"({', '.join(table.key)}) is the key of the table",
    )
    return [duplicate, *(_no_value(table, name) for name in required_columns(table))]


def _no_value(table: Table, name: str) -> Violation:
    floating = any(c.name == name and pa.types.is_floating(c.type) for c in table.columns)
    missing = f'"{name}" IS NULL' + (f' OR isnan("{name}")' if floating else "")
    shown = ", ".join(f'"{column}"' for column in dict.fromkeys([*table.key, name]))
    return Violation(
        name=f"{name}_is_missing",
        column=name,
        sql=f"SELECT {shown} FROM {table.name} WHERE {missing}",  # noqa: S608
        reason="the schema does not mark it nullable" + (", and NaN is no value" if floating else ""),
    )
