"""The code that each stage reaches, as a hash: docstrings and comments left out. `make stage-hashes` records it."""

import ast
import hashlib
import json
from pathlib import Path

import grimp

from pipeline_core.pipeline import STAGES

RECORD = Path(__file__).with_name("stage_hashes.json")
SOURCE = Path(__file__).parents[1] / "src"
# They name, move, plan and check results but never make them.
_INERT = ("embedded", "errors", "memory", "placement", "registry", "stage", "threads")
INERT = {f"pipeline_core.{name}" for name in _INERT}
INERT_ROOMS = ("pipeline_core.store.", "pipeline_core.contracts.")


def current() -> dict[str, dict[str, int | str]]:
    """Return version and code hash of every stage."""
    graph = grimp.build_graph("pipeline_core", cache_dir=None)
    return {
        stage.name: {"version": stage.version, "code": _hash(reached(graph, type(stage).__module__))}
        for stage in STAGES.values()
    }


def reached(graph: grimp.ImportGraph, module: str) -> set[str]:
    """Return the modules that decide what a module's stage makes: all that it imports, and members that it may find.

    A registry imports its members by name, so that where its package is reached, they are.
    """
    found, new = set[str](), {module}
    while new:
        found |= new
        beyond = set().union(*(graph.find_modules_directly_imported_by(name) for name in new))
        members = set().union(*(graph.find_descendants(name) for name in new | beyond if _is_kind(name)))
        new = {name for name in beyond | members if name.startswith("pipeline_core")} - found
    return {name for name in found if name not in INERT and not name.startswith(INERT_ROOMS)}


def _is_kind(module: str) -> bool:
    """Say whether a module is a package of members: one that makes a registry of itself."""
    file = _file(module)
    return file.name == "__init__.py" and "Registry(" in file.read_text()


def _file(module: str) -> Path:
    path = SOURCE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _hash(modules: set[str]) -> str:
    digest = hashlib.sha256()
    for module in sorted(modules):
        digest.update(f"{module}\n{_without_docstrings(_file(module).read_text())}\n".encode())
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
