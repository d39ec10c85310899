"""The warehouse's own tables: runs, artifacts, stages, contract results, and what is the same for every run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pipeline_core.retrieval.systems import adaptations_table
from pipeline_core.schema import TABLES
from pipeline_core.schema.parquet import write_table
from pipeline_core.store.artifacts import Artifact
from pipeline_core.store.fingerprint import canonical_json
from pipeline_core.store.journal import RunRecord
from pipeline_core.warehouse.paper import paper_values

FIXED = {"adaptations": adaptations_table, "paper_values": paper_values}
"""Tables that are the same for every run, and what gives their rows."""


OF_RUNS = ("runs", "run_artifacts")
"""Tables that the journal fills."""


def write_facts(folder: Path, artifacts: Sequence[Artifact], runs: Sequence[RunRecord]) -> None:
    """Write the tables of the stage ``warehouse`` into a folder."""
    write_runs(folder, runs)
    _write(folder, "stages", [_stage_row(artifact) for artifact in artifacts])
    _write(
        folder,
        "contract_results",
        [{"artifact": a.fingerprint, **result} for a in artifacts for result in a.manifest.contracts],
    )
    for name, rows in FIXED.items():
        write_table(folder, name, rows())


def write_runs(folder: Path, runs: Sequence[RunRecord]) -> None:
    """Write the tables that the journal fills, ``OF_RUNS``, into a folder."""
    _write(folder, "runs", [_run_row(run) for run in runs])
    _write(
        folder,
        "run_artifacts",
        [
            {
                "run_id": run.run_id,
                "name": used.name,
                "stage": used.stage,
                "artifact": used.fingerprint,
                "repetition": used.repetition,
                "cached": used.cached,
                "seconds": used.seconds,
            }
            for run in runs
            for used in run.artifacts
        ],
    )


def _run_row(run: RunRecord) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "flow": run.flow,
        "config": canonical_json(run.config),
        "state": run.state,
        "started": run.started,
        "ended": run.ended,
        "seconds": run.seconds,
    }


def _stage_row(artifact: Artifact) -> dict[str, Any]:
    manifest = artifact.manifest
    return {
        "artifact": artifact.fingerprint,
        "stage": artifact.stage,
        "rows": sum(manifest.rows.values()),
        "bytes": sum(file.size for file in manifest.files),
        "seconds": manifest.seconds,
        "peak_memory_bytes": manifest.peak_memory_bytes,
        "created": manifest.created,
    }


def _write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    schema = pl.DataFrame(TABLES[name].arrow.empty_table()).schema
    write_table(folder, name, pl.DataFrame(rows, schema=schema, orient="row"))
