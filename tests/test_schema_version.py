"""A table that changed has a new version: artifacts of stages that write it are built anew, and no others."""

from dataclasses import replace

from pipeline_core.schema import TABLES, schema_version
from pipeline_core.store.fingerprint import StageKey
from tests.table_hashes import hash_of, recorded


def test_columns_and_versions_move_together() -> None:
    known = recorded()
    changed = [name for name, table in TABLES.items() if known.get(name, {}).get(str(table.version)) != hash_of(table)]
    assert not changed, (
        f"the tables {', '.join(changed)} changed: raise the version of each in pipeline_core/schema, so that no "
        "artifact with the old columns is read, and record it with `make table-hashes`"
    )


def test_no_version_is_lower_than_one_before() -> None:
    assert all(table.version == max(map(int, recorded()[name])) for name, table in TABLES.items())


def test_a_stage_has_the_highest_version_of_its_tables(monkeypatch) -> None:
    before = {stage: StageKey(stage, 1).fingerprint for stage in ("activations", "retrieval", "grid")}
    table = TABLES["retrieval_ranks"]
    monkeypatch.setitem(TABLES, "retrieval_ranks", replace(table, version=table.version + 1))
    after = {stage: StageKey(stage, 1).fingerprint for stage in before}
    assert [stage for stage in before if before[stage] != after[stage]] == ["retrieval", "grid"]
    assert schema_version("retrieval") == table.version + 1
