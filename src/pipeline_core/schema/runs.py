"""Tables of runs, artifacts and contracts."""

from pipeline_core.schema.model import BOOL, DOUBLE, INT, STRING, TIME, Column, Table, column, nullable, volatile

TABLES: tuple[Table, ...] = (
    Table(
        "runs",
        "warehouse",
        "Runs, from the journal.",
        ("run_id",),
        (
            Column("run_id", STRING, "run", volatile=True),
            column("flow", STRING, "analyze | compare"),
            column("config", STRING, "the whole config, JSON"),
            column("state", STRING, "running | completed | failed"),
            volatile("started", TIME, "start"),
            volatile("ended", TIME, "end"),
            volatile("seconds", DOUBLE, "wall time"),
        ),
    ),
    Table(
        "run_artifacts",
        "warehouse",
        "Which artifacts a run used.",
        ("run_id", "name"),
        (
            Column("run_id", STRING, "run", volatile=True),
            column("name", STRING, "the stage's name in the run, e.g. sae/reference-mllm/paper"),
            column("stage", STRING, "stage"),
            column("artifact", STRING, "fingerprint, first 16 digits"),
            volatile("cached", BOOL, "it was there before the run"),
            volatile("seconds", DOUBLE, "time in this run"),
        ),
    ),
    Table(
        "stages",
        "warehouse",
        "What building each artifact took.",
        ("artifact",),
        (
            column("artifact", STRING, "fingerprint, first 16 digits"),
            column("stage", STRING, "stage"),
            column("rows", INT, "rows written"),
            column("bytes", INT, "bytes written"),
            volatile("seconds", DOUBLE, "time it took to build"),
            volatile("peak_memory_bytes", INT, "peak resident memory of the process that built it"),
            volatile("created", TIME, "when it was published"),
        ),
    ),
    Table(
        "contract_results",
        "warehouse",
        "Outcome of each expectation.",
        ("artifact", "table_name", "expectation", "column_name"),
        (
            column("artifact", STRING, "fingerprint, first 16 digits"),
            column("table_name", STRING, "table validated"),
            column("column_name", STRING, "column, or '' for the whole table"),
            column("expectation", STRING, "expectation type"),
            column("success", BOOL, "it held"),
            column("severity", STRING, "critical | warning"),
            nullable("observed", STRING, "observed value, JSON"),
            column("reason", STRING, "why it is expected"),
        ),
    ),
)
