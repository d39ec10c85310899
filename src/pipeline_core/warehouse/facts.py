"""The warehouse's own tables: runs, artifacts, stages, contract results, and what is the same for every run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline_core.retrieval.systems import adaptations_table
from pipeline_core.schema.parquet import write_rows, write_table
from pipeline_core.store.fingerprint import canonical_json
from pipeline_core.store.journal import RunRecord
from pipeline_core.store.manifest import Artifact
from pipeline_core.warehouse.paper import paper_values

FIXED = {"adaptations": adaptations_table, "paper_values": paper_values}
"""Tables that are the same for every run, and what gives their rows."""


OF_RUNS = ("runs", "run_artifacts")
"""Tables that the journal fills."""


def write_facts(folder: Path, artifacts: Sequence[Artifact], runs: Sequence[RunRecord]) -> None:
    """Write the tables of the stage ``warehouse`` into a folder."""
    write_runs(folder, runs)
    write_rows(folder, "stages", [_stage_row(artifact) for artifact in artifacts])
    results = [{"artifact": a.fingerprint, **result} for a in artifacts for result in a.manifest.contracts]
    write_rows(folder, "contract_results", results)
    for name, rows in FIXED.items():
        write_table(folder, name, rows())


def write_runs(folder: Path, runs: Sequence[RunRecord]) -> None:
    """Write the tables that the journal fills, ``OF_RUNS``, into a folder."""
    of_runs = [
        run.model_dump(exclude={"artifacts"}) | {"config": canonical_json(run.config), "seconds": run.seconds}
        for run in runs
    ]
    used = [
        {"run_id": run.run_id, "artifact": used.fingerprint, **used.model_dump(exclude={"fingerprint"})}
        for run in runs
        for used in run.artifacts
    ]
    write_rows(folder, "runs", of_runs)
    write_rows(folder, "run_artifacts", used)


def _stage_row(artifact: Artifact) -> dict[str, Any]:
    manifest = artifact.manifest
    return manifest.model_dump(include={"stage", "seconds", "peak_memory_bytes", "created"}) | {
        "artifact": artifact.fingerprint,
        "rows": sum(manifest.rows.values()),
        "bytes": sum(file.size for file in manifest.files),
    }
