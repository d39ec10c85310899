"""Questions to the artifacts in SQL: the text that computes a figure is the text that the report shows beside it.

Each table of the artifacts is a view with the warehouse's columns, over the artifacts of this report only. The text
begins by keeping the latest run's rows, so that it gives the same rows in a warehouse of many runs.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from pipeline_core.parquet import conform, table_files
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.schema import TABLES, tables_of
from pipeline_core.schema.model import STRING

_SQL = resources.files("pipeline_core.report") / "sql"

_UNASKED = frozenset({"embeddings", "tokens", "codes", "runs", "run_artifacts", "stages"})
"""Tables that no question of the report is about."""

_RELATION = re.compile(r"\b(?:from|join)\s+(\w+)")


@dataclass(frozen=True)
class Answer:
    """The rows that a query gave, and its text."""

    rows: pl.DataFrame
    sql: str


class Facts:
    """The tables of one report, open to SQL. A context manager: it keeps Parquet files open."""

    def __init__(self, inputs: ReportInputs) -> None:
        """Make a view of every table of the artifacts; a table that no artifact holds is empty.

        Raises:
            StoreError: an artifact lacks a table of its stage.
        """
        self._connection = duckdb.connect()
        self._connection.execute("create table latest_artifacts (artifact varchar)")
        parts: dict[str, list[str]] = defaultdict(list)
        for stage, folder in _artifacts(inputs):
            self._connection.execute("insert into latest_artifacts values (?)", [folder.name])
            for table in tables_of(stage):
                if table.name not in _UNASKED:
                    files = ", ".join(_literal(path) for path in table_files(folder, table.name))
                    parts[table.name].append(
                        f"select {_literal(folder.name)} as artifact, * from read_parquet([{files}])"  # noqa: S608  (quoted)
                    )
        for name, table in TABLES.items():
            if name in parts:
                self._connection.execute(f"create view {name} as {' union all '.join(parts[name])}")
            elif name == "contract_results":
                self._register_contracts(inputs)
            elif name not in _UNASKED:
                empty = table.arrow.insert(0, pa.field("artifact", STRING)).empty_table()
                self._connection.register(name, empty)

    def __enter__(self) -> "Facts":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, name: str, **values: str | int | float) -> Answer:
        """Run ``sql/<name>.sql`` with each ``$key`` replaced by its value, and return rows and text."""
        text = _of_latest_run((_SQL / f"{name}.sql").read_text(encoding="utf-8").strip())
        for key, value in values.items():
            text = text.replace(f"${key}", _literal(value))
        rows = pl.from_arrow(self._connection.sql(text).to_arrow_table())
        assert isinstance(rows, pl.DataFrame)
        return Answer(rows, text)

    def _register_contracts(self, inputs: ReportInputs) -> None:
        results = TABLES["contract_results"].arrow.empty_table()
        if inputs.run.contracts:
            results = conform("contract_results", pl.DataFrame(list(inputs.run.contracts), infer_schema_length=None))
        self._connection.register("contract_results", results)
        self._connection.execute("insert into latest_artifacts select distinct artifact from contract_results")


def _of_latest_run(text: str) -> str:
    """Shadow every table that a query names by its rows of the latest run, as the warehouse keeps those of all runs."""
    comments = [line for line in text.splitlines() if line.startswith("--")]
    body = "\n".join(text.splitlines()[len(comments) :])
    names = dict.fromkeys(name for name in _RELATION.findall(body) if name in TABLES)
    scope = ",\n".join(f"{name} as (from {name} semi join latest_artifacts using (artifact))" for name in names)
    rest = f",\n{body.removeprefix('with ')}" if body.startswith("with ") else f"\n{body}"
    return "\n".join([*comments, f"with {scope}{rest}"])


def _artifacts(inputs: ReportInputs) -> Iterator[tuple[str, Path]]:
    yield "dataset", inputs.dataset
    for model in inputs.models:
        yield "activations", model.activations
        yield "retrieval", model.retrieval
        if model.index is not None:
            yield "index", model.index
        for sae in model.saes:
            yield from (("sae", sae.sae), ("codes", sae.codes), ("features", sae.features))


def _literal(value: str | int | float | Path) -> str:
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"
