"""Questions to the artifacts in SQL: the text that computes a figure is the text that the report shows beside it.

A report's questions are asked of the warehouse's own relations, over the artifacts of this report only. Each reads the
scope ``latest``, the analysis itself, or ``seeds``, every repetition with its number: so it gives the same rows in a
warehouse of many runs.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import duckdb
import polars as pl

from pipeline_core.report.inputs import ReportInputs
from pipeline_core.schema import tables_of
from pipeline_core.schema.parquet import table_files
from pipeline_core.warehouse.catalog import Part, create_catalog
from pipeline_core.warehouse.facts import FIXED
from pipeline_core.warehouse.parameters import Value, told

_SQL = resources.files("pipeline_core.report") / "sql"

_UNASKED = frozenset({"embeddings", "tokens", "codes"})
"""Tables that no question of the report is about."""

_COPIED = 16 << 20
"""Bytes of a table's files up to which they are read once; a larger table is read anew by every question about it."""

_RUN = "report"
"""What stands for the run, and for the artifact of the report that is being made."""


@dataclass(frozen=True)
class Answer:
    """The rows that a question gave, and its text below the values of its parameters."""

    rows: pl.DataFrame
    sql: str


class Facts:
    """The tables of one report, open to SQL: small ones are held, large ones stay in their files. A context manager."""

    def __init__(self, inputs: ReportInputs) -> None:
        """Create every relation of the warehouse; a table that no artifact holds is empty.

        Raises:
            StoreError: an artifact lacks a table of its stage.
        """
        # One thread adds numbers in one order: the same artifacts give the same last digits.
        self._connection = duckdb.connect(config={"threads": 1})
        self._answers: dict[str, Answer] = {}
        parts: dict[str, list[Part]] = defaultdict(list)
        used = {(_RUN, _RUN, 0): None}
        seen = set()
        for artifact in inputs.artifacts:
            folder = artifact.folder
            used[artifact.stage, folder.name, artifact.repetition] = None
            if folder not in seen:
                seen.add(folder)
                for table in (table for table in tables_of(artifact.stage) if table.name not in _UNASKED):
                    parts[table.name].append(Part(folder.name, tuple(table_files(folder, table.name))))
        large = {name for name, own in parts.items() if sum(f.stat().st_size for p in own for f in p.files) > _COPIED}
        create_catalog(self._connection, parts, over_parquet=large, described=False)
        self._insert("runs", pl.DataFrame([{"run_id": _RUN, "flow": _RUN, "config": "{}", "state": "completed"}]))
        self._insert(
            "run_artifacts",
            pl.DataFrame(
                [
                    {"run_id": _RUN, "name": f"{repetition}/{stage}/{artifact}", "stage": stage, "artifact": artifact}
                    | {"repetition": repetition, "cached": True, "seconds": 0.0, "data": ""}
                    for stage, artifact, repetition in used
                ]
            ),
        )
        if inputs.run.contracts:
            self._insert("contract_results", pl.DataFrame(list(inputs.run.contracts), infer_schema_length=None))
        self.add("models", model_rows(inputs))
        for name, rows in FIXED.items():
            self._insert(name, rows())

    def __enter__(self) -> "Facts":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, name: str, **values: Value) -> Answer:
        """Answer the question ``sql/<name>.sql``, its parameters bound to the values."""
        return self.answer(question(name), values)

    def answer(self, sql: str, values: Mapping[str, Value]) -> Answer:
        """Answer a question in SQL, its parameters bound to the values; it is worked out once."""
        text = told(sql, values)
        if text not in self._answers:
            rows = pl.from_arrow(self._connection.sql(sql, params=dict(values)).to_arrow_table())
            assert isinstance(rows, pl.DataFrame)
            self._answers[text] = Answer(rows, text)
        return self._answers[text]

    def add(self, name: str, rows: pl.DataFrame) -> None:
        """Add rows to a table that the report itself makes: questions find them in ``latest``."""
        self._insert(name, rows, artifact=_RUN)

    def keep(self, view: str) -> None:
        """Work out a view once: questions find its rows under the same name."""
        self._connection.execute(f"create or replace temp table {view} as from main.{view}")
        self._answers.clear()

    def _insert(self, name: str, rows: pl.DataFrame, **fixed: str) -> None:
        fixed_columns = {column: pl.lit(value) for column, value in fixed.items()}
        self._connection.register("given", rows.with_columns(**fixed_columns))
        self._connection.execute(f"insert into {name} by name from given")
        self._connection.unregister("given")
        self._answers.clear()


def question(name: str) -> str:
    """Return the text of the question ``sql/<name>.sql``, which the application asks alike."""
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8").strip()


def model_rows(inputs: ReportInputs) -> pl.DataFrame:
    """Return the rows of the table ``models``: the one studied first."""
    return pl.DataFrame(
        [
            {
                "model": model.name,
                "place": place,
                "kind": model.kind,
                "fine_tuned": model.fine_tuned,
                "identity": model.identity,
                "rendering": model.rendering,
            }
            for place, model in enumerate(inputs.models)
        ]
    )
