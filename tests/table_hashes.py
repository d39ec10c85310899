"""Key and columns of each table as a hash, by the version that has them. `make table-hashes` records new versions.

A stage's version is the highest of its tables': under it stand the versions of all of them, since a table that changed
below another's version would leave the stage's artifacts under the keys that they have.
"""

import hashlib
import json
from pathlib import Path

from pipeline_core.pipeline import STAGES
from pipeline_core.schema import TABLES, Table, schema_version, tables_of
from pipeline_core.store.fingerprint import canonical_json

RECORD = Path(__file__).with_name("table_hashes.json")

Record = dict[str, dict[str, dict[str, str]]]
"""``tables``: hashes by table and version. ``stages``: versions of all tables, by stage and its version."""


def recorded() -> Record:
    """Return what is recorded of every version of every table, and of every stage."""
    found: Record = json.loads(RECORD.read_text())
    return found


def hash_of(table: Table) -> str:
    """Hash a table's stages, its key, and every column's name, type and nullability, in order."""
    columns = [[column.name, str(column.type), column.nullable] for column in table.columns]
    schema = [table.stage, *table.also_by], list(table.key), columns
    return hashlib.sha256(canonical_json(schema).encode()).hexdigest()[:16]


def versions_of(stage: str) -> str:
    """Return the versions of all tables of a stage."""
    return ", ".join(f"{table.name} {table.version}" for table in tables_of(stage))


if __name__ == "__main__":
    tables, stages = (recorded()[kind] for kind in ("tables", "stages"))
    for name, own in TABLES.items():
        tables.setdefault(name, {}).setdefault(str(own.version), hash_of(own))
    for stage in STAGES:
        stages.setdefault(stage, {}).setdefault(str(schema_version(stage)), versions_of(stage))
    kept = {"tables": {name: tables[name] for name in TABLES}, "stages": {stage: stages[stage] for stage in STAGES}}
    RECORD.write_text(json.dumps(kept, indent=1) + "\n")
