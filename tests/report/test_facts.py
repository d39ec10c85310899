"""The SQL beside a figure gives the figure's rows in a warehouse too, whatever other runs it holds."""

from collections import defaultdict
from collections.abc import Iterator

import duckdb
import polars as pl
import pytest

from pipeline_core.parquet import table_files
from pipeline_core.report import facts as module
from pipeline_core.report.facts import Answer, Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.schema import TABLES, tables_of
from pipeline_core.warehouse.catalog import Part, create_catalog

VALUES = {
    "example_features": {"sae_id": "reference-mllm/paper", "n_leading": 4, "n_specific": 4},
    "feature_examples": {"sae_id": "reference-mllm/paper", "n_examples": 6},
    "removal_single": {"task_id": "t2i", "k": 5},
    "moved_queries": {"before": "reference-mllm/raw", "after": "reference-mllm/realign"},
    "hits_of_queries": {"before": "reference-mllm/raw", "after": "reference-mllm/realign"},
}
NAMES = sorted(path.name.removesuffix(".sql") for path in module._SQL.iterdir())


@pytest.fixture(scope="module")
def warehouse(inputs: ReportInputs) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse that holds every artifact twice: in the latest run, and in an older one."""
    parts: dict[str, list[Part]] = defaultdict(list)
    with duckdb.connect() as connection:
        names = []
        for stage, folder in module._artifacts(inputs):
            for table in tables_of(stage):
                if table.name not in module._UNASKED:
                    files = tuple(table_files(folder, table.name))
                    parts[table.name] += [Part(str(folder), files), Part(f"old {folder}", files)]
            names.append(str(folder))
        create_catalog(connection, parts)
        for run, prefix in (("run-1", "old "), ("run-2", "")):
            start = f"2026-01-0{run[-1]} 00:00:00+00"
            connection.execute(
                "insert into runs values (?, 'compare', '{}', 'completed', ?, ?, 1)", [run, start, start]
            )
            for name in names:
                connection.execute(
                    "insert into run_artifacts values (?, ?, 'stage', ?, false, 1)", [run, name, prefix + name]
                )
        for result in inputs.run.contracts:
            row = {column.name: result[column.name] for column in TABLES["contract_results"].columns}
            marks = ", ".join("?" * len(row))
            connection.execute(f"insert into contract_results values ({marks})", [names[0], *list(row.values())[1:]])
        yield connection


def ask(inputs: ReportInputs, name: str) -> Answer:
    with Facts(inputs) as facts:
        return facts.ask(name, **VALUES.get(name, {}))


@pytest.mark.parametrize("name", NAMES)
def test_the_warehouse_gives_the_same_rows(
    inputs: ReportInputs, warehouse: duckdb.DuckDBPyConnection, name: str
) -> None:
    answer = ask(inputs, name)
    rows = pl.from_arrow(warehouse.sql(answer.sql).to_arrow_table())
    assert answer.rows.height > 0
    assert rows.equals(answer.rows)


def test_values_with_quotes_stay_values(inputs: ReportInputs) -> None:
    with Facts(inputs) as facts:
        assert facts.ask("feature_examples", sae_id="x' or '1'='1", n_examples=6).rows.height == 0
