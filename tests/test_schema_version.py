"""A table that changed has a new version: artifacts of stages that write it are built anew, and no others."""

from dataclasses import replace

from pipeline_core.pipeline import STAGES
from pipeline_core.schema import TABLES, schema_version
from pipeline_core.store.fingerprint import StageKey
from tests.table_hashes import hash_of, recorded, versions_of


def test_columns_and_versions_move_together() -> None:
    known = recorded()["tables"]
    changed = [name for name, table in TABLES.items() if known.get(name, {}).get(str(table.version)) != hash_of(table)]
    assert not changed, (
        f"the tables {', '.join(changed)} changed: raise the version of each in pipeline_core/schema, so that no "
        "artifact with the old columns is read, and record it with `make table-hashes`"
    )


def test_no_version_is_lower_than_one_before() -> None:
    known = recorded()["tables"]
    assert all(table.version == max(map(int, known[name])) for name, table in TABLES.items())


def test_a_changed_table_makes_its_stages_anew() -> None:
    known = recorded()["stages"]
    same = [stage for stage in STAGES if known.get(stage, {}).get(str(schema_version(stage))) != versions_of(stage)]
    assert not same, (
        f"tables of {', '.join(same)} have other versions, and their stages have not, so that artifacts with the old "
        "columns would be read: raise the changed one above every other of the stage; `make table-hashes` records it"
    )


def test_a_stage_has_the_highest_version_of_its_tables(monkeypatch) -> None:
    before = {stage: StageKey(stage, 1).fingerprint for stage in ("activations", "retrieval", "grid")}
    table, raised = TABLES["retrieval_ranks"], schema_version("retrieval") + 1
    monkeypatch.setitem(TABLES, "retrieval_ranks", replace(table, version=raised))
    after = {stage: StageKey(stage, 1).fingerprint for stage in before}
    assert [stage for stage in before if before[stage] != after[stage]] == ["retrieval", "grid"]
    assert schema_version("retrieval") == raised
