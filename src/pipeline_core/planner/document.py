"""The page ``docs/stages.md``, generated: ``python -m pipeline_core.planner.document docs/stages.md``."""

import sys
from pathlib import Path
from typing import Any

from pipeline_core.pipeline import STAGES
from pipeline_core.schema import tables_of
from pipeline_core.stage import Scope, Stage

_HEAD = """# Stages

Generated from `pipeline_core.pipeline` by `python -m pipeline_core.planner.document docs/stages.md`; a test holds it.
Each is one object, `<stage>/stage.py`. Its own section of the config is called as the stage.

| stage | once for | what it does | reads | sections | tables |
| --- | --- | --- | --- | --- | --- |
"""


def stages_markdown() -> str:
    """Return the page."""
    return _HEAD + "".join(_row(stage) for stage in STAGES.values())


def _row(stage: Stage[Any]) -> str:
    once = f"each {stage.scope.value}" if stage.scope in (Scope.MODEL, Scope.SAE) else f"the {stage.scope.value}"
    when = {"shared": "", "own": ", in every repetition anew", "only": ", in repetitions only"}[stage.repetitions]
    flow = " (`lens sweep`)" if stage.part == "sweep" else ""
    reads = "everything" if stage.scope is Scope.RUN else ", ".join(f"`{wanted.stage}`" for wanted in stage.inputs)
    own = [stage.name] if stage.settings is not None else []
    sections = ", ".join(f"`{path}`" for path in (*own, *stage.shared))
    tables = ", ".join(f"`{table.name}`" for table in tables_of(stage.name))
    return f"| `{stage.name}`{flow} | {once}{when} | {stage.about} | {reads} | {sections} | {tables} |\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(stages_markdown(), encoding="utf-8")
