"""Publication: every table with types and comments, versions, readers that stay open, stores that move."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipeline_core.errors import ContractError, QueryError
from pipeline_core.schema import TABLES
from pipeline_core.store import manifest as stores
from pipeline_core.store.artifacts import Store
from pipeline_core.store.journal import journalled_run
from pipeline_core.warehouse.build import build_warehouse
from pipeline_core.warehouse.catalog import OVER_PARQUET, describe_relations
from pipeline_core.warehouse.query import open_warehouse, query
from tests.contracts.artifacts import good_tables
from tests.warehouse.conftest import BUILT, REPEATED, publish, repeated_tables, run_all

CopyStore = Callable[[str], Path]


def test_every_table_holds_the_rows_of_its_artifacts(made_store: Path) -> None:
    published = [*((stage, good_tables(stage)) for stage in BUILT), (REPEATED, repeated_tables())]
    with open_warehouse(made_store) as connection:
        for table in TABLES.values():
            if table.stage == "warehouse":
                continue
            counted = connection.execute(
                f"SELECT stage, count(*) FROM {table.name} JOIN stages USING (artifact) GROUP BY artifact, stage"
            ).fetchall()
            expected = [(stage, len(tables[table.name])) for stage, tables in published if table.name in tables]
            assert sorted(counted) == sorted(expected), table.name


def test_a_table_that_several_stages_write_is_one_with_all_their_rows(made_store: Path) -> None:
    counted = query(
        made_store, "SELECT stage, count(DISTINCT artifact) FROM systems JOIN stages USING (artifact) GROUP BY ALL"
    )
    assert set(counted.rows) == {("retrieval", 1), ("grid", 2), ("doses", 1)}


def test_the_papers_figures_are_there(made_store: Path) -> None:
    asked = (
        "SELECT model, value FROM paper_values WHERE item = 'Table 4' AND dataset = 'MSCOCO text->image' ORDER BY value"
    )
    assert query(made_store, asked).rows == (("VLM2Vec", 45.41), ("GME", 52.4), ("Qwen2-VL-7B", 59.8))


def test_types_and_order_of_columns_come_from_the_schema(made_store: Path) -> None:
    described = {row[0]: row[1] for row in query(made_store, "DESCRIBE retrieval_metrics").rows}
    assert list(described) == ["artifact", *(c.name for c in TABLES["retrieval_metrics"].columns)]
    assert described["k"] == "INTEGER"
    assert described["value"] == "DOUBLE"
    assert query(made_store, "SELECT typeof(vector), typeof(n_tokens) FROM embeddings LIMIT 1").rows == (
        ("FLOAT[]", "INTEGER"),
    )
    assert query(made_store, 'SELECT typeof(features), typeof("values") FROM codes LIMIT 1').rows == (
        ("UINTEGER[]", "FLOAT[]"),
    )


def test_vectors_stay_in_their_files(made_store: Path) -> None:
    kinds = query(
        made_store, "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'main'"
    ).rows
    views = {name for name, kind in kinds if kind == "VIEW"}
    assert views & set(TABLES) == OVER_PARQUET
    assert query(made_store, "SELECT vector FROM embeddings WHERE sample_id = 'name:dog' LIMIT 1").rows == (
        ([1.0, 1.5],),
    )


def test_every_relation_and_column_is_commented(made_store: Path) -> None:
    with open_warehouse(made_store) as connection:
        bare = connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns() "
            "WHERE database_name = 'warehouse' AND NOT internal AND coalesce(comment, '') = ''"
        ).fetchall()
    assert bare == []
    assert all(
        relation.meaning and all(meaning for *_, meaning in relation.columns) for relation in describe_relations()
    )


def test_a_cached_rerun_duplicates_nothing(copied_store: CopyStore) -> None:
    root = copied_store("store")
    counts = "SELECT (SELECT count(*) FROM samples), (SELECT count(*) FROM embeddings), (SELECT count(*) FROM stages)"
    before = query(root, counts).rows
    run_all(Store(root))
    build_warehouse(root)
    assert query(root, counts).rows == before
    assert query(root, "SELECT count(*) FROM runs").rows == ((2,),)
    assert query(root, "SELECT DISTINCT cached FROM stage_times").rows == ((True,),)


def test_artifacts_of_another_schema_are_left_out_and_counted(
    copied_store: CopyStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root = copied_store("store")
    with monkeypatch.context() as past:
        past.setattr(stores, "schema_version", lambda stage: 0)
        old = publish(Store(root), "dataset", good_tables("dataset"), seed=1)
    folder = root / "dataset" / old.fingerprint
    samples = pl.read_parquet(folder / "samples.parquet").drop("modality")
    samples.write_parquet(folder / "samples.parquet")
    _describe_anew(folder, "samples.parquet")
    build_warehouse(root)
    assert query(root, "SELECT count(DISTINCT artifact) FROM samples").rows == ((1,),)
    assert query(root, f"SELECT count(*) FROM stages WHERE artifact = '{old.fingerprint}'").rows == ((0,),)
    assert "1 artifacts have tables of another version" in caplog.text


def _describe_anew(folder: Path, file: str) -> None:
    """Make the manifest agree with a file that was changed."""
    manifest = stores.read_artifact(folder).manifest
    files = [
        f.model_copy(update={"size": (folder / file).stat().st_size}) if f.path == file else f for f in manifest.files
    ]
    (folder / "manifest.json").write_text(manifest.model_copy(update={"files": tuple(files)}).model_dump_json())


def test_two_old_versions_stay(copied_store: CopyStore) -> None:
    root = copied_store("store")
    for _ in range(4):
        build_warehouse(root)
    files = sorted(path.name for path in (root / "warehouse").iterdir() if not path.name.startswith("."))
    assert files == ["current", "warehouse-3.duckdb", "warehouse-4.duckdb", "warehouse-5.duckdb"]


def test_an_open_reader_keeps_its_version_while_another_is_published(copied_store: CopyStore) -> None:
    root = copied_store("store")
    with open_warehouse(root) as reader:
        publish(Store(root), "dataset", good_tables("dataset"), seed=1)
        build_warehouse(root)
        with open_warehouse(root) as later:
            counts = [c.execute("SELECT count(DISTINCT artifact) FROM samples").fetchone() for c in (reader, later)]
    assert counts == [(1,), (2,)]


def test_two_builders_take_turns(copied_store: CopyStore) -> None:
    root = copied_store("store")
    with ThreadPoolExecutor(2) as pool:
        files = list(pool.map(build_warehouse, [root, root]))
    assert sorted(file.name for file in files) == ["warehouse-2.duckdb", "warehouse-3.duckdb"]
    assert query(root, "SELECT count(*) FROM latest_run").rows == ((1,),)


def test_a_build_that_was_killed_is_cleared_away(copied_store: CopyStore) -> None:
    root = copied_store("store")
    leftover = root / "warehouse" / ".build"
    leftover.mkdir()
    (leftover / "warehouse.duckdb").write_bytes(b"half")
    build_warehouse(root)
    assert not leftover.exists()
    assert query(root, "SELECT count(*) FROM latest_run").rows == ((1,),)


def test_a_store_that_has_moved_gets_new_views_once_and_is_told(
    copied_store: CopyStore, caplog: pytest.LogCaptureFixture
) -> None:
    root = copied_store("before")
    build_warehouse(root)
    moved = root.rename(root.with_name("it's after"))
    query(moved, "SELECT 1")
    assert f"the store was moved here from {root}: its warehouse is built anew, once" in caplog.messages
    caplog.clear()
    assert query(moved, "SELECT count(*) FROM embeddings").rows == ((len(good_tables("activations")["embeddings"]),),)
    assert query(moved, "SELECT count(*) FROM latest_run").rows == ((1,),)
    assert caplog.messages == []


def test_a_store_without_artifacts_has_empty_tables(tmp_path: Path) -> None:
    path = build_warehouse(tmp_path)
    with duckdb.connect(path, read_only=True) as connection:
        for relation in describe_relations():
            (count,) = connection.execute(f"SELECT count(*) FROM {relation.name}").fetchone()
            assert (count > 0) == (relation.name in {"adaptations", "paper_values"}), relation.name


def test_a_store_without_a_warehouse_is_told(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="has no warehouse; run lens run first"):
        query(tmp_path / "nowhere", "SELECT 1")
    assert not (tmp_path / "nowhere").exists()


def test_a_running_or_failed_run_is_not_the_latest(copied_store: CopyStore) -> None:
    root = copied_store("store")
    completed = query(root, "SELECT run_id FROM latest_run").rows
    with pytest.raises(KeyboardInterrupt), journalled_run(root, "analyze", {}, []):
        raise KeyboardInterrupt
    with journalled_run(root, "analyze", {}, []):
        build_warehouse(root)
    assert query(root, "SELECT run_id FROM latest_run").rows == completed
    assert query(root, "SELECT state, count(*) FROM runs GROUP BY ALL ORDER BY ALL").rows == (
        ("completed", 1),
        ("failed", 1),
        ("running", 1),
    )


def test_facts_that_break_their_contract_publish_nothing(copied_store: CopyStore) -> None:
    root = copied_store("store")
    current = (root / "warehouse" / "current").read_bytes()
    path = next((root / "runs").glob("*.json"))
    fingerprint = next((root / "dataset").iterdir()).name
    path.write_text(path.read_text().replace(fingerprint, "not-a-fingerprint"))
    with pytest.raises(ContractError, match="table run_artifacts, column artifact"):
        build_warehouse(root)
    assert (root / "warehouse" / "current").read_bytes() == current
