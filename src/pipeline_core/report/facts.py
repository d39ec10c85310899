"""Questions to the artifacts in SQL: the text that computes a figure is the text that the report shows beside it.

Each table of the artifacts is a view with the warehouse's columns, over the artifacts of this report only. The text
begins by keeping the latest run's rows, so that it gives the same rows in a warehouse of many runs: those of the
analysis itself, or, where the question speaks of ``repetition``, those of every repetition, each with its number.
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

from pipeline_core.report.inputs import ReportInputs
from pipeline_core.schema import TABLES, tables_of
from pipeline_core.schema.model import STRING
from pipeline_core.schema.parquet import conform, table_files
from pipeline_core.warehouse.paper.reference import paper_values

_SQL = resources.files("pipeline_core.report") / "sql"

_UNASKED = frozenset({"embeddings", "tokens", "codes", "runs", "run_artifacts", "stages"})
"""Tables that no question of the report is about."""

_UNKEYED = frozenset({"paper_values"})
"""Tables that are the same for every run."""

_OWN = "report"
"""What stands for the fingerprint of the report that is being made."""

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
        # One thread adds numbers in one order: the same artifacts give the same last digits.
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.execute("create table latest_repetitions (artifact varchar, repetition integer)")
        self._connection.execute(
            "create view latest_artifacts as select artifact from latest_repetitions where repetition = 0"
        )
        parts: dict[str, list[str]] = defaultdict(list)
        seen = set()
        for repetition, stage, folder in _artifacts(inputs):
            self._use(folder.name, repetition)
            if folder in seen:
                continue
            seen.add(folder)
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
            elif name == "models":
                self._register_models(inputs)
            elif name == "paper_values":
                self._connection.register(name, conform(name, paper_values()))
            elif name not in _UNASKED:
                empty = table.arrow.insert(0, pa.field("artifact", STRING)).empty_table()
                self._connection.register(name, empty)

    def __enter__(self) -> "Facts":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @staticmethod
    def knows(name: str) -> bool:
        """Say whether there is a question ``sql/<name>.sql``."""
        return (_SQL / f"{name}.sql").is_file()

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

    def _register_models(self, inputs: ReportInputs) -> None:
        rows = conform("models", model_rows(inputs))
        self._connection.register("models", rows.add_column(0, "artifact", pa.array([_OWN] * rows.num_rows)))
        self._use(_OWN, 0)

    def _use(self, artifact: str, repetition: int) -> None:
        self._connection.execute(
            "insert into latest_repetitions select $1, $2 "
            "where not exists (from latest_repetitions where artifact = $1 and repetition = $2)",
            [artifact, repetition],
        )


def model_rows(inputs: ReportInputs) -> pl.DataFrame:
    """Return the rows of the table ``models``: the one studied first."""
    return pl.DataFrame(
        [
            {"model": model.name, "place": place, "kind": model.kind, "fine_tuned": model.fine_tuned}
            for place, model in enumerate(inputs.models)
        ]
    )


def _of_latest_run(text: str) -> str:
    """Shadow every table that a query names by its rows of the latest run, as the warehouse keeps those of all runs."""
    comments = [line for line in text.splitlines() if line.startswith("--")]
    body = "\n".join(text.splitlines()[len(comments) :])
    names = dict.fromkeys(name for name in _RELATION.findall(body) if name in TABLES.keys() - _UNKEYED)
    if not names:
        return text
    kept = "from {0} semi join latest_artifacts using (artifact)"
    if re.search(r"\brepetition\b", body):
        kept = "select {0}.*, repetition from {0} join latest_repetitions using (artifact)"
    scope = ",\n".join(f"{name} as ({kept.format(name)})" for name in names)
    rest = f",\n{body.removeprefix('with ')}" if body.startswith("with ") else f"\n{body}"
    return "\n".join([*comments, f"with {scope}{rest}"])


def _artifacts(inputs: ReportInputs) -> Iterator[tuple[int, str, Path]]:
    """Yield (repetition, stage, folder) of every artifact; repetitions share the activations of the analysis.

    A repetition has a data set of its own, but only its support and validation splits differ, of which no question
    across repetitions is: that of the analysis stands for it.
    """
    for repetition, models in enumerate((inputs.models, *inputs.repetitions)):
        yield repetition, "dataset", inputs.dataset
        for model in models:
            if repetition == 0:
                yield 0, "activations", model.activations
            yield repetition, "retrieval", model.retrieval
            for stage in ("sweep", "removal", "index", "attention", "efficiency"):
                folder = getattr(model, stage)
                if folder is not None:
                    yield repetition, stage, folder
            for sae in model.saes:
                yield repetition, "sae", sae.sae
                yield repetition, "codes", sae.codes
                yield repetition, "features", sae.features


def _literal(value: str | int | float | Path) -> str:
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"
