"""Users' SQL: the questions it must answer, what it refuses, and how it fails."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from pipeline_core.app.answers import ask as answer_of_a_page
from pipeline_core.errors import QueryError
from pipeline_core.schema import TABLES
from pipeline_core.store.journal import find_run
from pipeline_core.warehouse import query as asking
from pipeline_core.warehouse.build import publish_runs
from pipeline_core.warehouse.catalog import create_catalog
from pipeline_core.warehouse.format import to_json
from pipeline_core.warehouse.parameters import Value, told
from pipeline_core.warehouse.query import open_warehouse, query, schema_text, top_features
from tests.shared import no_more_files
from tests.warehouse.conftest import BUILT, REPEATED

LATEST = ("latest_artifacts", "latest_repetitions")


def test_the_features_with_the_largest_attribution(made_store: Path) -> None:
    result = query(
        made_store,
        "SELECT feature_id, attribution, modality, top_texts, top_pictures "
        "FROM feature_summary ORDER BY attribution DESC LIMIT 10",
    )
    assert result.columns == ("feature_id", "attribution", "modality", "top_texts", "top_pictures")
    assert result.rows == (
        (1, 0.7, 0.5, ["cat", "dog"], ["cat"]),
        (0, 0.1, 0.25, None, None),
        (2, 0.0, None, None, None),
    )


def test_recall_by_task_type_and_adaptation(made_store: Path) -> None:
    result = query(made_store, "SELECT task_type, adaptation, hit_rate, k FROM recall ORDER BY ALL")
    assert result.rows == (
        ("it->i", "identity", 0.25, 5),
        ("it->i", "realign", 0.65, 5),
        ("t->i", "identity", 0.25, 5),
        ("t->i", "realign", 0.65, 5),
    ), "controls of tasks and systems are left out"


def test_repetitions_are_kept_apart(made_store: Path) -> None:
    named = {view: query(made_store, f"SELECT name, repetition FROM {view}").rows for view in LATEST}
    assert dict(named["latest_artifacts"]) == dict.fromkeys(BUILT, 0)
    assert dict(named["latest_repetitions"]) == dict.fromkeys(BUILT, 0) | {f"repetition-1/{REPEATED}": 1}
    assert set(query(made_store, "SELECT name FROM stage_times").rows) == {(stage,) for stage in BUILT}


def test_recall_by_layer_and_seed(made_store: Path) -> None:
    asked = (
        "SELECT layer, repetition, pooling, mask, hit_rate FROM sweeps WHERE study = 'layers' AND task_type = 't->i'"
    )
    rates = {(layer, seed): rate for layer, seed, *_, rate in query(made_store, asked).rows}
    assert rates == pytest.approx({(0, 0): 0.1, (1, 0): 0.2, (0, 1): 0.15, (1, 1): 0.25})
    assert {row[2:4] for row in query(made_store, asked).rows} == {("mean", "all")}


def test_every_sweep_is_shown_without_the_analysis(made_store: Path) -> None:
    asked = "SELECT study, adaptation, layer, selection, count(*) FROM sweeps GROUP BY ALL ORDER BY ALL"
    assert query(made_store, asked).rows == (
        ("adaptations", "oas", None, None, 4),
        ("layers", "identity", 0, None, 4),
        ("layers", "identity", 1, None, 4),
        ("removal", "identity", 1, None, 1),
        ("removal", "removal", 1, "attribution", 1),
    ), "several layers together are of none"
    both = "SELECT count(*) FROM sweeps JOIN recall USING (artifact)"
    assert query(made_store, both).rows == ((0,),)


def test_the_stage_that_took_longest(made_store: Path) -> None:
    result = query(made_store, "SELECT name, build_seconds FROM stage_times ORDER BY build_seconds DESC LIMIT 1")
    ((name, seconds),) = result.rows
    assert name in BUILT
    assert seconds > 0


def test_contract_results_are_answered(made_store: Path) -> None:
    result = query(made_store, "SELECT DISTINCT success FROM contract_results WHERE table_name = 'embeddings'")
    assert result.rows == ((True,),)


def test_top_features(made_store: Path) -> None:
    assert [row[1] for row in top_features(made_store, "attribution", None, 2).rows] == [1, 0]
    assert [row[1] for row in top_features(made_store, "energy", "m/paper", 2).rows] == [0, 1]
    with pytest.raises(QueryError, match="no sparse autoencoder 'm/other'; known: m/paper"):
        top_features(made_store, "energy", "m/other", 2)


@pytest.mark.parametrize("sql", ["DESCRIBE samples", "SHOW TABLES", "SUMMARIZE tasks", "FROM runs", "VALUES (1)"])
def test_reading_statements_are_answered(made_store: Path, sql: str) -> None:
    assert query(made_store, sql).rows


PIVOT = "PIVOT samples ON modality USING count(*)"


@pytest.mark.parametrize(
    "sql",
    [
        PIVOT,
        f"{PIVOT} ;",
        f"{PIVOT} -- counted",
        "PIVOT samples ON modality IN ('text') USING count(*)",
        f"FROM ({PIVOT})",
        f"WITH counted AS ({PIVOT}) SELECT * FROM counted",
        "UNPIVOT tasks ON task_id INTO NAME name VALUE value",
        "SHOW ALL TABLES",
        "DESCRIBE SELECT 1",
        "TABLE runs",
    ],
)
def test_other_selects_of_duckdb_are_answered(made_store: Path, sql: str) -> None:
    assert query(made_store, sql).rows


def test_a_pivot_has_a_column_a_value(made_store: Path) -> None:
    found = query(made_store, "PIVOT samples ON modality USING count(*) GROUP BY split ORDER BY split")
    assert set(found.columns) == {"split", "image", "text", "image_text"}
    assert sum(sum(row[1:]) for row in found.rows) == 7


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO runs SELECT * FROM runs",
        "UPDATE runs SET flow = 'x'",
        "DELETE FROM runs",
        "DROP TABLE runs",
        "CREATE TABLE t AS SELECT 1",
        "CREATE TEMP TABLE t AS SELECT 1",
        "COPY runs TO '{store}/out.csv'",
        "EXPLAIN ANALYZE COPY runs TO '{store}/out.csv'",
        "EXPORT DATABASE '{store}/out'",
        "ATTACH '{store}/other.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 1",
        "SET enable_external_access = true",
        "USE memory",
        "PRAGMA database_list",
        "CALL duckdb_settings()",
        f"CREATE TEMP TABLE t AS {PIVOT}",
        f"COPY ({PIVOT}) TO '{{store}}/out.csv'",
        f"EXPLAIN ANALYZE {PIVOT}",
        f"INSERT INTO runs {PIVOT}",
    ],
)
def test_statements_that_do_more_than_read_are_refused(made_store: Path, sql: str) -> None:
    files = sorted(made_store.rglob("*"))
    with pytest.raises(QueryError, match="the warehouse is only read"):
        query(made_store, sql.format(store=made_store))
    assert sorted(made_store.rglob("*")) == files


@pytest.mark.parametrize(
    "call",
    [
        "read_csv('/etc/passwd')",
        "read_text('/etc/passwd')",
        "read_blob('/etc/passwd')",
        "glob('/etc/*')",
        "read_text('{store}/../../../../../../etc/passwd')",
        "read_csv('https://example.org/x.csv')",
        "'/etc/passwd'",
    ],
)
def test_other_files_are_out_of_reach(made_store: Path, call: str) -> None:
    with pytest.raises(QueryError) as caught:
        query(made_store, f"SELECT * FROM {call.format(store=made_store)}")
    assert "root:" not in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT getenv('HOME')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT * FROM sqlite_scan('/etc/passwd', 'x')",
        "SELECT * FROM query('COPY runs TO stolen')",
        "WITH gone AS (DELETE FROM runs RETURNING *) SELECT * FROM gone",
        "WITH gone AS (DELETE FROM runs RETURNING *) PIVOT gone ON state USING count(*)",
        f"{PIVOT}) AS a; COPY runs TO '{{store}}/out.csv'; FROM (runs",
        "SELECT * FROM glob('{store}/../*')",
        "SELECT 1; COPY runs TO '{store}/out.csv'",
        "SELECT write_log('x', level := 'error', scope := 'y') FROM read_text('/proc/self/environ')",
    ],
)
def test_attacks_within_a_select_come_to_nothing(made_store: Path, sql: str) -> None:
    files = sorted(made_store.rglob("*"))
    with pytest.raises(QueryError) as caught:
        query(made_store, sql.format(store=made_store))
    assert "\n" not in str(caught.value)
    assert sorted(made_store.rglob("*")) == files


ENDLESS = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range + b.range = 3"


def test_a_question_without_end_is_ended(made_store: Path) -> None:
    with pytest.raises(QueryError, match=r"more than 0\.2 s; ask for less"):
        query(made_store, ENDLESS, limit_seconds=0.2)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT list(range) FROM range(10000000000)",
        "SELECT string_agg(repeat('x', 1000000), '') FROM range(1000000)",
        "SELECT * FROM range(100000000000)",
    ],
)
def test_a_question_that_fills_the_memory_is_ended(
    made_store: Path, sql: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(asking, "LIMIT_MEMORY", "64MB")
    monkeypatch.setattr(asking, "LIMIT_ROWS", 1000)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(QueryError, match=r"more than 1,000 rows|more memory than 64MB"):
        query(made_store, sql)
    assert list(tmp_path.iterdir()) == [], "nothing is written for want of memory"


@pytest.mark.parametrize(
    "file", ["../../other.duckdb", "/etc/passwd", "warehouse-1.duckdb/../../x", "warehouse-1.duckdb\n"]
)
def test_a_pointer_that_leads_out_of_the_store_is_none(copied_store: Callable[[str], Path], file: str) -> None:
    root = copied_store("store")
    pointer = root / "warehouse" / "current"
    pointer.write_text(json.dumps(json.loads(pointer.read_text()) | {"file": file}))
    with pytest.raises(QueryError, match="has no warehouse"):
        query(root, "SELECT 1")
    publish_runs(root)
    assert query(root, "SELECT 1").rows == ((1,),)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("selec 1", 'syntax error at or near "selec"'),
        ("SELECT nope FROM runs", 'Referenced column "nope" not found'),
        ("SELECT * FROM nope", "Table with name nope does not exist"),
        ("SELECT 1; SELECT 2", "2 statements were given"),
        ("", "0 statements were given"),
        ("SELECT 'x'::INTEGER", "Could not convert"),
    ],
)
def test_mistakes_are_told_in_one_line(made_store: Path, sql: str, told: str) -> None:
    with pytest.raises(QueryError) as caught:
        query(made_store, sql)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "LINE 1" not in str(caught.value)
    assert caught.value.remedy


def test_a_file_that_is_gone_is_told(made_store: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(made_store, tmp_path / "store"))
    query(root, "SELECT count(*) FROM embeddings")
    shutil.rmtree(root / "activations")
    with pytest.raises(QueryError, match="embeddings"):
        query(root, "SELECT vector FROM embeddings")
    assert query(root, "SELECT count(*) FROM samples").rows == ((7,),)


def damaged(root: Path, stage: str) -> None:
    for file in (root / stage).rglob("*.parquet"):
        data = file.read_bytes()
        file.write_bytes(data[:4] + bytes(len(data) - 8) + data[-4:])


DAMAGE = r"\.parquet.*; lens verify names what is missing or damaged; lens verify --repair, then lens run, mends it$"


def test_a_damaged_file_is_told_as_damage(made_store: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(made_store, tmp_path / "store"))
    query(root, "SELECT 1")  # it was moved: the warehouse is built anew, once
    damaged(root, "activations")
    asked = "SELECT vector FROM embeddings"
    with pytest.raises(QueryError, match=DAMAGE):
        query(root, asked)
    with open_warehouse(root) as connection, pytest.raises(QueryError, match=DAMAGE):
        answer_of_a_page(connection, find_run(root)[1].run_id, asked, {})


def test_a_file_too_many_is_no_damage(made_store: Path) -> None:
    told = pytest.raises(OSError, match="Too many open files")
    with open_warehouse(made_store) as connection, no_more_files(), told:
        answer_of_a_page(connection, find_run(made_store)[1].run_id, "SELECT vector FROM embeddings", {})
    with no_more_files(), told:
        query(made_store, "SELECT 1")


def test_a_moved_store_with_a_damaged_file_is_told_as_that(made_store: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(made_store, tmp_path / "store"))
    damaged(root, "features")
    for ask in (lambda: query(root, "SELECT 1"), lambda: top_features(root, "energy", None, 3)):
        with pytest.raises(QueryError, match=DAMAGE):
            ask()


def test_a_description_that_is_damaged_is_told_as_damage() -> None:
    told = str(asking.refused(duckdb.Error("TProtocolException: Invalid data")))
    assert told.startswith("a Parquet file of the store cannot be read: TProtocolException: Invalid data; lens verify")


def test_the_schema_names_every_table_and_column() -> None:
    text = schema_text()
    for table in TABLES.values():
        assert f"{table.name}: {table.meaning}" in text
        assert all(c.meaning in text for c in table.columns)
    assert text.index("feature_summary:") < text.index("samples:")


ASKED = "SELECT DISTINCT item FROM paper_values WHERE item = $item"


def test_no_bar_is_drawn_into_an_answer(made_store: Path) -> None:
    asked = "SELECT current_setting('enable_progress_bar')"
    assert query(made_store, asked).rows == ((False,),)
    with duckdb.connect() as connection:
        create_catalog(connection, {})
        assert connection.execute(asked).fetchall() == [(False,)]


def test_parameters_are_bound_and_stay_values(made_store: Path) -> None:
    assert query(made_store, ASKED, {"item": "Table 3"}).rows == (("Table 3",),)
    assert query(made_store, ASKED, {"item": "x' OR '1' = '1"}).rows == ()


@pytest.mark.parametrize("value", ["Table 3", "two\nlines; select 1", "it's", 5, 0.25])
def test_a_text_that_tells_its_values_is_answered_as_it_stands(made_store: Path, value: Value) -> None:
    text = told("SELECT $value AS value, $value AS again", {"value": value})
    assert query(made_store, text).rows == ((value, value),)
    assert query(made_store, text, {"value": "another"}).rows == (("another", "another"),)


@pytest.mark.parametrize(
    ("sql", "parameters", "named"),
    [
        (ASKED, {}, "item"),
        (ASKED, {"item": "Table 3", "of": 1}, "of"),
        ("-- $item = Table 3\n" + ASKED, {}, "not JSON"),
    ],
)
def test_values_that_lack_are_too_many_or_unreadable_are_told(
    made_store: Path, sql: str, parameters: dict[str, Value], named: str
) -> None:
    with pytest.raises(QueryError, match=named) as caught:
        query(made_store, sql, parameters)
    assert "\n" not in str(caught.value)


def test_columns_of_one_name_are_told_apart(made_store: Path) -> None:
    assert query(made_store, "SELECT 1 AS n, 2 AS n, 3 AS n_2, 4 AS n").columns == ("n", "n_2", "n_2_2", "n_3")
    assert to_json(query(made_store, "SELECT 1 AS n, 2 AS n")) == '[\n {\n  "n": 1,\n  "n_2": 2\n }\n]'


def test_scopes_hold_the_latest_run_alone_and_each_seed(made_store: Path) -> None:
    counts = "SELECT count(*) FROM {}retrieval_metrics"
    every, analysis, seeds = (query(made_store, counts.format(scope)).rows[0][0] for scope in ("", "latest.", "seeds."))
    assert analysis < seeds == every
    repetitions = query(made_store, "SELECT DISTINCT repetition FROM seeds.systems ORDER BY 1").rows
    assert repetitions == ((0,), (1,))


def test_a_query_loads_no_library_that_it_does_not_use(made_store: Path) -> None:
    asked = (
        "import sys; from pathlib import Path; from pipeline_core.warehouse.query import query; "
        "assert query(Path(sys.argv[1]), 'select count(*) from runs').rows == ((1,),); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", asked, str(made_store)], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "duckdb" in loaded
    assert not loaded & {"numpy", "pandas", "polars", "pyarrow", "pydantic", "great_expectations", "prefect", "torch"}
