"""The SQL beside a figure gives the figure's rows in a warehouse too, whatever other runs it holds."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline_core.report import facts as module
from pipeline_core.report.claim_rules import load_claims
from pipeline_core.report.facts import Answer, Facts, model_rows
from pipeline_core.report.figures import FIGURES, SWEEPS
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.schema import TABLES, tables_of
from pipeline_core.schema.parquet import table_files, write_table
from pipeline_core.warehouse.catalog import Part, create_catalog
from pipeline_core.warehouse.facts import FIXED
from pipeline_core.warehouse.parameters import Value, given
from tests.report.world import RunWorld

VALUES: dict[str, dict[str, Value]] = {
    "maps": {"n_samples": 4},
    "features": {"sae_id": "reference-mllm/paper", "n_leading": 4, "n_specific": 4},
    "features_examples": {"sae_id": "reference-mllm/paper", "n_examples": 6},
    "features_effects": {"task_id": "t2i", "k": 5},
    "strip_gain": {"system": "reference-mllm/realign", "baseline": "reference-mllm/raw"},
    "queries": {"before": "reference-mllm/raw", "after": "reference-mllm/realign"},
    "queries_hits": {"before": "reference-mllm/raw", "after": "reference-mllm/realign"},
}
SQL = Path(str(module._SQL))
FIGURE_SQL = SQL.with_name("figures")
ANALYSIS = sorted(path.stem for path in SQL.glob("*.sql"))
OF_FIGURES = sorted((name, what) for name, _, what in (path.stem.partition("_") for path in FIGURE_SQL.glob("*.sql")))
PARTS = {part.part: part for claim in load_claims() for part in claim.parts}


def make_warehouse(connection: duckdb.DuckDBPyConnection, inputs: ReportInputs, folder: Path) -> None:
    """Fill a warehouse that holds every artifact twice: in the latest run, and in an older one."""
    write_table(folder, "models", model_rows(inputs))
    parts: dict[str, list[Part]] = defaultdict(list)
    for name, rows in FIXED.items():
        write_table(folder, name, rows())
        parts[name].append(Part("", tuple(table_files(folder, name))))
    parts["models"] += [Part(name, tuple(table_files(folder, "models"))) for name in ("report", "old report")]
    used = {"report": {0}}
    for artifact in inputs.artifacts:
        # A repetition has a data set of its own; other artifacts of equal content are one.
        name = f"{artifact.folder} {artifact.repetition}" if artifact.stage == "dataset" else str(artifact.folder)
        if name not in used:
            for table in tables_of(artifact.stage):
                if table.name not in module._UNASKED:
                    files = tuple(table_files(artifact.folder, table.name))
                    parts[table.name] += [Part(name, files), Part(f"old {name}", files)]
        used.setdefault(name, set()).add(artifact.repetition)
    create_catalog(connection, parts)
    for run, prefix in (("run-1", "old "), ("run-2", "")):
        start = f"2026-01-0{run[-1]} 00:00:00+00"
        connection.execute("insert into runs values (?, 'sweep', '{}', 'completed', ?, ?, 1)", [run, start, start])
        for name, repetitions in used.items():
            for repetition in repetitions:
                connection.execute(
                    "insert into run_artifacts values (?, ?, 'stage', ?, ?, false, 1, '')",
                    [run, f"{repetition}/{name}", prefix + name, repetition],
                )
    for result in inputs.run.contracts:
        row = [result[column.name] for column in TABLES["contract_results"].columns]
        connection.execute(f"insert into contract_results values ({', '.join('?' * len(row))})", ["report", *row[1:]])
    of_report = "insert into contract_results select * replace ('claims' as table_name) from contract_results limit 1"
    connection.execute(of_report)


@pytest.fixture(scope="module")
def warehouse(inputs: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        make_warehouse(connection, inputs, tmp_path_factory.mktemp("warehouse"))
        yield connection


@pytest.fixture(scope="module")
def claim_warehouse(
    claim_inputs: ReportInputs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        make_warehouse(connection, claim_inputs, tmp_path_factory.mktemp("claim-warehouse"))
        yield connection


@pytest.fixture(scope="module")
def facts(inputs: ReportInputs) -> Iterator[Facts]:
    with Facts(inputs) as opened:
        yield opened


@pytest.fixture(scope="module")
def swept_warehouse(
    swept: ReportInputs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        make_warehouse(connection, swept, tmp_path_factory.mktemp("swept-warehouse"))
        yield connection


@pytest.fixture(scope="module")
def swept_facts(swept: ReportInputs) -> Iterator[Facts]:
    with Facts(swept) as opened:
        yield opened


@pytest.fixture(scope="module")
def claim_facts(claim_inputs: ReportInputs) -> Iterator[Facts]:
    with Facts(claim_inputs) as opened:
        yield opened


def same_rows(answer: Answer, warehouse: duckdb.DuckDBPyConnection) -> None:
    rows = pl.from_arrow(warehouse.sql(answer.sql, params=given(answer.sql)).to_arrow_table())
    assert isinstance(rows, pl.DataFrame)
    assert answer.rows.height > 0
    # Sums may be taken in another order.
    assert_frame_equal(rows, answer.rows, rel_tol=1e-12, abs_tol=1e-15)


@pytest.mark.parametrize("name", ANALYSIS)
def test_the_warehouse_gives_the_same_rows(facts: Facts, warehouse: duckdb.DuckDBPyConnection, name: str) -> None:
    same_rows(facts.ask(name, **VALUES.get(name, {})), warehouse)


@pytest.mark.parametrize(("name", "what"), OF_FIGURES)
def test_the_warehouse_gives_the_same_rows_to_figures(request: pytest.FixtureRequest, name: str, what: str) -> None:
    whole = "_".join(filter(None, (name, what)))
    sides = ("swept_facts", "swept_warehouse") if FIGURES[name].section == SWEEPS else ("facts", "warehouse")
    facts, warehouse = (request.getfixturevalue(side) for side in sides)
    same_rows(FIGURES[name].ask(facts, what, **VALUES.get(whole, {})), warehouse)


@pytest.mark.parametrize("name", PARTS)
def test_the_warehouse_gives_the_same_cases(
    claim_facts: Facts, claim_warehouse: duckdb.DuckDBPyConnection, name: str
) -> None:
    part = PARTS[name]
    same_rows(claim_facts.ask(part.question, **part.values), claim_warehouse)


def test_a_question_that_does_not_speak_of_repetitions_is_of_the_analysis(
    claim_facts: Facts, claim_run: RunWorld
) -> None:
    with Facts(replace(claim_run, repetitions=()).told()) as alone:
        assert_frame_equal(FIGURES["energy"].ask(claim_facts).rows, FIGURES["energy"].ask(alone).rows)


def test_a_question_that_does_has_every_repetition(claim_facts: Facts) -> None:
    rows = claim_facts.ask("claims/realign_gain", variant="text", fit_on="candidates", baseline="identity").rows
    assert rows["repetition"].unique().sort().to_list() == [0, 1]
    assert rows.select("case", "repetition", "family").is_duplicated().sum() == 0


def test_values_with_quotes_stay_values(facts: Facts) -> None:
    assert FIGURES["features"].ask(facts, "examples", sae_id="x' or '1'='1", n_examples=6).rows.height == 0


def test_a_question_asked_again_is_not_worked_out_again_until_rows_are_added(inputs: ReportInputs) -> None:
    counted = "select count(*) as n from latest.models"
    with Facts(inputs) as opened:
        first = opened.answer(counted, {})
        assert opened.answer(counted, {}) is first
        assert opened.answer(f"{counted} where model = $model", {"model": "none"}).rows["n"].to_list() == [0]
        opened.add("models", model_rows(inputs))
        assert opened.answer(counted, {}).rows["n"].to_list() == [2 * n for n in first.rows["n"]]


def test_large_tables_stay_in_their_files_and_answer_alike(
    swept: ReportInputs, swept_facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_COPIED", 0)
    counted = (
        "select table_type, count(*) as n from information_schema.tables where table_name = 'systems' group by all"
    )
    with Facts(swept) as opened:
        assert opened.answer(f"{counted} order by all", {}).rows["table_type"].to_list() == ["VIEW"]
        for name in ("recall", "limited", "dataset"):
            assert_frame_equal(opened.ask(name).rows, swept_facts.ask(name).rows)
    assert "BASE TABLE" in swept_facts.answer(counted, {}).rows["table_type"].to_list()
