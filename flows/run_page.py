"""What a run's page in Prefect shows at its end: steps with rows, time and memory, hit rates, and the SQL of each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from pipeline_core.planner.plan import Plan
from pipeline_core.report.files import REPORT_FILE
from pipeline_core.store.journal import RunRecord
from pipeline_core.warehouse.query import QueryResult, query

_WIDTH = 24
_MEBIBYTE = 2**20

STEPS = """SELECT name AS step, cached, rows, bytes, run_artifacts.seconds, peak_memory_bytes
FROM run_artifacts JOIN stages USING (artifact, stage) WHERE run_id = '{run_id}'"""

RECALL = """SELECT task_type, model, recall.label, k, 100 * hit_rate AS percent, 100 * low AS low, 100 * high AS high
FROM recall JOIN adaptations USING (adaptation) WHERE named ORDER BY task_type, model, place, recall.label"""


def publish_page(plan: Plan, record: RunRecord, root: Path) -> None:
    """Leave the artifacts of a run that completed: ``steps``, ``results`` and a link to the report."""
    steps = query(root, STEPS.format(run_id=record.run_id))
    found = {row[0]: dict(zip(steps.columns, row, strict=True)) for row in steps.rows}
    create_table_artifact([_step(found[name]) for name in plan.steps], key="steps", description="What was done")
    report = root / "report" / plan.of_stage("report")[0].key.fingerprint / REPORT_FILE
    create_markdown_artifact(page(query(root, RECALL), record, report), key="results", description="What was found")
    create_link_artifact(
        report.as_uri(),
        link_text="The report, on the machine that ran this",
        key="whole-report",
        description="Verdicts, figures and tables",
    )


def page(recall: QueryResult, record: RunRecord, report: Path) -> str:
    """Write the page of hit rates: a bar a system, one block a task and model."""
    lines = [f"# Run `{record.run_id}`", ""]
    block: Sequence[Any] = ()
    for task, model, label, k, percent, low, high in recall.rows:
        if (task, model) != block:
            block = (task, model)
            lines += [
                "",
                f"## {task}: hit@{k} of {model}",
                "",
                "| | % | 95% interval | |",
                "| --- | ---: | --- | --- |",
            ]
        filled = round(percent / 100 * _WIDTH)
        bar = "█" * filled + "░" * (_WIDTH - filled)
        lines.append(f"| {label} | {percent:.1f} | {low:.1f} to {high:.1f} | {bar} |")
    return "\n".join(
        [
            *lines,
            "",
            "The numbers, in `lens sql`:",
            f"```sql\n{RECALL}\n```",
            "The steps:",
            f"```sql\n{STEPS.format(run_id=record.run_id)}\n```",
            f"The whole report: `{report}`",
        ]
    )


def _step(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "step": row["step"],
        "outcome": "cached" if row["cached"] else "built",
        "rows": row["rows"],
        "MiB": round(row["bytes"] / _MEBIBYTE, 1),
        "seconds": None if row["cached"] else round(row["seconds"], 1),
        "peak memory, MiB": round(row["peak_memory_bytes"] / _MEBIBYTE),
    }
