"""The code that each stage reaches, as a hash: docstrings and comments left out. `make stage-hashes` records it."""

import ast
import hashlib
import json
from pathlib import Path

import grimp

from pipeline_core.stages import STAGES

RECORD = Path(__file__).with_name("stage_hashes.json")
SOURCE = Path(__file__).parents[1] / "src"
# They name, move and check results but never make them.
INERT = {f"pipeline_core.{name}" for name in ("durable", "errors", "store", "fingerprint", "journal", "embedded")}


def current() -> dict[str, dict[str, int | str]]:
    """Return version and code hash of every stage."""
    graph = grimp.build_graph("pipeline_core", cache_dir=None)
    return {
        stage.name: {
            "version": stage.version,
            "code": _hash({stage.module} | graph.find_upstream_modules(stage.module)),
        }
        for stage in STAGES.values()
    }


def _hash(modules: set[str]) -> str:
    digest = hashlib.sha256()
    for module in sorted(modules - INERT):
        path = SOURCE.joinpath(*module.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        digest.update(f"{module}\n{_without_docstrings(file.read_text())}\n".encode())
    for folder in sorted({SOURCE.joinpath(*module.split(".")).parent for module in modules}):
        for data in sorted(p for p in folder.rglob("*") if p.suffix in {".sql", ".html", ".css", ".js"}):
            digest.update(data.name.encode() + data.read_bytes())
    return digest.hexdigest()[:16]


def _without_docstrings(text: str) -> str:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            node.body = body[1:]  # type: ignore[attr-defined]
    return ast.dump(tree)


if __name__ == "__main__":
    RECORD.write_text(json.dumps(current(), indent=1) + "\n")
