"""The page docs/results.md, from the latest run of a store: `python -m flows.results --output docs/results.md`."""

from pathlib import Path
from typing import Annotated

import typer

from flows.environment import default_store
from pipeline_core.store.journal import RunRecord, completed_run
from pipeline_core.warehouse.query import query

TABLES = (
    "zero-shot",
    "composed",
    "densities",
    "energy",
    "overlaps",
    "removal-recall",
    "poolings",
    "whitening",
    "layers",
    "cost",
)
"""Tables of the report that the page repeats, those that the run has."""

_HEAD = """# Results on the embedded models

Written by `make results` from the latest run of the store ({flow}, {steps} steps, {seeds}); what to make of them stands
in [findings.md](findings.md). Every number can be had in SQL (`lens sql`) and, with its figure, in the report.

"""
_VERDICTS = "SELECT claim, statement, verdict, reason FROM latest.claims ORDER BY claim"


def results_page(root: Path) -> str:
    """Return the page.

    Raises:
        StoreError: there is no completed run.
    """
    run = completed_run(root)
    (report,) = (root / a.stage / a.fingerprint for a in run.artifacts if a.stage == "report")
    summary = (report / "summary.txt").read_text(encoding="utf-8").splitlines()
    found = [line for line in summary if not line.startswith("claim ")]
    parts = [
        _head(run),
        "\n".join(f"- {line}" for line in found),
        "\n\n## Every claim of the paper\n\n",
        _verdicts(root),
    ]
    for name in TABLES:
        path = report / "tables" / f"{name}.md"
        if path.is_file():
            parts.append(f"\n{path.read_text(encoding='utf-8')}")
    return "".join(parts)


def _head(run: RunRecord) -> str:
    n = 1 + max(artifact.repetition for artifact in run.artifacts)
    return _HEAD.format(flow=run.flow, steps=len(run.artifacts), seeds="one seed" if n == 1 else f"{n} seeds")


def _verdicts(root: Path) -> str:
    rows = [f"| {' | '.join(str(value).replace('|', '/') for value in row)} |" for row in query(root, _VERDICTS).rows]
    return "\n".join(["| # | claim | verdict | what decided |", "| --- | --- | --- | --- |", *rows, ""])


def main(
    output: Annotated[Path, typer.Option(help="The page.")],
    store: Annotated[Path | None, typer.Option(help="The store's folder.")] = None,
) -> None:
    """Write the results of the latest run as a page of docs."""
    output.write_text(results_page((store or default_store()).resolve()), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
