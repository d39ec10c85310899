"""Every table: its columns, their types, units and meaning. Nothing else in the project names a column's type.

The stage that owns a table writes it as Parquet; the warehouse adds the column ``artifact`` (the fingerprint) to each.
"""

from collections.abc import Iterable

from pipeline_core.errors import LensError
from pipeline_core.schema import activations, attention, dataset, features, report, retrieval, runs, sae
from pipeline_core.schema.model import FIRST_VERSION, Column, Table

__all__ = ["SHARDED", "TABLES", "Column", "Table", "add_tables", "schema_version", "tables_of"]

TABLES: dict[str, Table] = {
    t.name: t
    for module in (dataset, activations, sae, features, retrieval, attention, report, runs)
    for t in module.TABLES
}
"""Every table by name."""

SHARDED = frozenset({"embeddings", "tokens", "long_texts", "refused", "codes", "retrieval_hits"})
"""Tables written as several Parquet files, in a folder named after the table."""


def tables_of(stage: str) -> Iterable[Table]:
    """Return the tables that a stage writes, in the order of the schema; several stages may write one."""
    return tuple(t for t in TABLES.values() if stage in (t.stage, *t.also_by))


def schema_version(stage: str) -> int:
    """Return the version of a stage's tables: the highest of any."""
    return max((table.version for table in tables_of(stage)), default=FIRST_VERSION)


def add_tables(tables: Iterable[Table]) -> None:
    """Add tables of stages from outside, which then are written, checked and published like any other.

    Raises:
        LensError: a name is taken by another table.
    """
    for table in tables:
        if TABLES.setdefault(table.name, table) is not table:
            raise LensError(f"the table {table.name!r} of the stage {table.stage!r} is there already", "rename it")
