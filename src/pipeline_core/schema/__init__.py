"""Every table: its columns, their types, units and meaning. Nothing else in the project names a column's type.

The stage that owns a table writes it as Parquet; the warehouse adds the column ``artifact`` (the fingerprint) to each.
"""

from collections.abc import Iterable

from pipeline_core.schema import activations, attention, dataset, features, report, retrieval, runs, sae
from pipeline_core.schema.model import SCHEMA_VERSION, Column, Table

__all__ = ["SCHEMA_VERSION", "SHARDED", "TABLES", "Column", "Table", "tables_of"]

TABLES: dict[str, Table] = {
    t.name: t
    for module in (dataset, activations, sae, features, retrieval, attention, report, runs)
    for t in module.TABLES
}
"""Every table by name."""

SHARDED = frozenset({"embeddings", "tokens", "retrieval_hits"})
"""Tables written as several Parquet files, in a folder named after the table."""


def tables_of(stage: str) -> Iterable[Table]:
    """Return the tables that a stage writes, in the order of the schema; several stages may write one."""
    return tuple(t for t in TABLES.values() if stage in (t.stage, *t.also_by))
