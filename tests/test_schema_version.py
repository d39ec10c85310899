"""A schema that changed has a new version: artifacts of the old one are then built anew and not read."""

import hashlib

from pipeline_core.schema import SCHEMA_VERSION, TABLES
from pipeline_core.store.fingerprint import canonical_json

RECORDED = {
    1: "81b3ca4f18a104e5",
    2: "d19e5be8e88c943d",
    3: "f2c00d32d49ddf2c",
    4: "29a3ba8cf4cf5809",
    5: "649a8a52ed2e7c41",
    6: "a621399eab31f5ee",
    7: "faa38402acdb5ca7",
    8: "4a8b35963edf1e28",
    9: "fef1fb5ac383e764",
}
"""Hash of the schema by version: stages, keys, and every column's name, type and nullability, in order."""


def current() -> str:
    schema = {
        t.name: ["|".join((t.stage, *t.also_by)), list(t.key), [[c.name, str(c.type), c.nullable] for c in t.columns]]
        for t in TABLES.values()
    }
    return hashlib.sha256(canonical_json(schema).encode()).hexdigest()[:16]


def test_schema_and_version_move_together() -> None:
    assert RECORDED.get(SCHEMA_VERSION) == current(), (
        "the tables changed: raise SCHEMA_VERSION in pipeline_core/schema/model.py, so that no artifact with the old "
        f"columns is read, and record {current()!r} for the new version in {__name__}"
    )
