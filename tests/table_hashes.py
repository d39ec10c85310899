"""Key and columns of each table as a hash, by the version that has them. `make table-hashes` records new versions."""

import hashlib
import json
from pathlib import Path

from pipeline_core.schema import TABLES, Table
from pipeline_core.store.fingerprint import canonical_json

RECORD = Path(__file__).with_name("table_hashes.json")


def recorded() -> dict[str, dict[str, str]]:
    """Return the hash of every version of every table."""
    found: dict[str, dict[str, str]] = json.loads(RECORD.read_text())
    return found


def hash_of(table: Table) -> str:
    """Hash a table's stages, its key, and every column's name, type and nullability, in order."""
    columns = [[column.name, str(column.type), column.nullable] for column in table.columns]
    schema = [table.stage, *table.also_by], list(table.key), columns
    return hashlib.sha256(canonical_json(schema).encode()).hexdigest()[:16]


if __name__ == "__main__":
    known = recorded()
    for name, own in TABLES.items():
        known.setdefault(name, {}).setdefault(str(own.version), hash_of(own))
    RECORD.write_text(json.dumps({name: known[name] for name in TABLES}, indent=1) + "\n")
