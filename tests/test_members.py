"""A member is named and imported in its own file, and nowhere else in the code: what others say of it would go stale.

Contracts, presets, documentation and tests may name members, and so may the SQL of one claim or figure.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pipeline_core.app.pages import PAGES
from pipeline_core.dataset.sources import SOURCES
from pipeline_core.exports import EXPORTS
from pipeline_core.models.families import FAMILIES
from pipeline_core.pipeline import STAGES
from pipeline_core.report.figures import FIGURES
from pipeline_core.retrieval.adaptations import ADAPTATIONS
from pipeline_core.sae.architectures import ARCHITECTURES
from pipeline_core.sae.formats import FORMATS

ROOT = Path(__file__).parents[1]
CORE = ROOT / "src" / "pipeline_core"
CODE = sorted(
    file
    for folder in ("src", "flows", "tasks")
    for ending in ("*.py", "*.sql", "*.html", "*.css", "*.js")
    for file in (ROOT / folder).rglob(ending)
)

OWN = {
    "adaptation": (ADAPTATIONS, "retrieval/adaptations"),
    "checkpoint_format": (FORMATS, "sae/formats"),
    "data_set": (SOURCES, "dataset/sources"),
    "export": (EXPORTS, "exports"),
    "model_family": (FAMILIES, "models/families"),
    "sae_architecture": (ARCHITECTURES, "sae/architectures"),
}
"""The registry of each kind, and the folder of its files."""

PROTAGONISTS = {"identity", "realign"}
"""Raw embeddings and ReAlign are what the study is about: claims, index, costs and pictures set them side by side."""

WORDS = {"paper", "folder", "reference"}
"""Names that are plain words too, which mean something else elsewhere."""

ALLOWED = {
    ("removal", "doses/plan.py"): "the stage doses is the study of this adaptation",
    ("removal", "report/tables/retrieval.py"): "its systems name the features removed, which others do not have",
    ("removal", "report/figures/removal.py"): "the figure of that name",
    ("removal", "report/contents.py"): "the figure of that name",
    ("removal", "app/pages/search.py"): "its slider starts at the share that the run removes",
    ("mean_removal", "report/recall.py"): "what centring alone gives is the control that ReAlign is read beside",
    ("mean_removal", "report/sql/cutoffs.sql"): "as in recall.py",
    ("topk", "sae/architectures/_kind.py"): "the paper's architecture is the default",
    ("topk", "sae/formats/paper.py"): "the paper's checkpoints are of this architecture",
    ("topk", "sae/formats/sparsify.py"): "its checkpoints are of this architecture",
    ("topk", "sae/formats/dictionary_learning.py"): "some of its classes are of this architecture",
    ("jumprelu", "sae/formats/dictionary_learning.py"): "the others are, or equal one",
    ("jumprelu", "sae/formats/saelens.py"): "its plain and gated ones equal one of this architecture",
    ("emoji", "dataset/sources/__init__.py"): "the embedded data set is the default",
    ("emoji", "flows/train_reference.py"): "the reference models are trained on the embedded data set",
    ("removal", "doses/measure.py"): "as in doses/plan.py",
    ("mean_removal", "doses/plan.py"): "what is removed without a dose is held against it",
    ("saelens", "sae/artifact.py"): "the format that the store keeps",
    ("saelens", "sae/bring.py"): "as in artifact.py",
    ("saelens", "sae/trainer.py"): "as in artifact.py",
    ("qwen2_vl", "models/families/_embedder.py"): "the type of the models that were tuned, not the family",
    ("dual_encoder", "reference/dual.py"): "the model's own type in its config, not the family",
}
"""(member, file): why it is named there."""


@cache
def _strings(file: Path) -> set[str]:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        constants = (node.value for node in _nodes(file) if isinstance(node, ast.Constant))
        return {value for value in constants if isinstance(value, str)}
    return {*re.findall(r"'([^'\n]*)'", text), *re.findall(r'"([^"\n]*)"', text)}


@cache
def _imports(file: Path) -> set[str]:
    """Return the modules that a file imports, and what it takes from them, by dotted names."""
    found = set()
    for node in _nodes(file):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@cache
def _nodes(file: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(file.read_text(encoding="utf-8")))) if file.suffix == ".py" else []


def _imported(file: Path, folder: str) -> set[str]:
    """Return what a file imports of the modules of a folder of the core: their names."""
    within = f"pipeline_core.{folder.replace('/', '.')}."
    return {name.removeprefix(within).split(".")[0] for name in _imports(file) if name.startswith(within)}


def _is_question(file: Path) -> bool:
    """Say whether a file is the SQL of one claim, one of the paper's items, or one figure."""
    own = {CORE / "report" / place for place in ("sql/claims", "sql/paper", "sql/sweeps", "figures")}
    return file.suffix == ".sql" and bool(own & set(file.parents))


def _named(kind: str) -> Iterator[tuple[str, str]]:
    registry, folder = OWN[kind]
    names = set(registry) - PROTAGONISTS
    for file in CODE:
        for name in names & (_strings(file) - WORDS | _imported(file, folder)):
            own = CORE / folder / name
            beside = own.parent in file.parents and (file.stem.split(".")[0].startswith(name) or own in file.parents)
            if not beside and not _is_question(file):
                yield name, file.relative_to(CORE if CORE in file.parents else ROOT).as_posix()


@pytest.mark.parametrize("kind", sorted(OWN))
def test_no_member_is_named_elsewhere(kind: str) -> None:
    assert set(_named(kind)) <= set(ALLOWED)


def test_no_exception_is_out_of_date() -> None:
    assert {place for kind in OWN for place in _named(kind)} == set(ALLOWED)


def test_no_figure_is_named_elsewhere() -> None:
    anchors = {f"figure-{name}" for name in FIGURES}
    for file in CODE:
        if CORE / "report" / "figures" not in file.parents:
            assert not anchors & _strings(file), file
            # The numbers of the sweeps as a table are told in the words of the figures that draw them.
            words = {"poolings", "removal"} if file == CORE / "report" / "tables" / "sweeps.py" else set()
            assert _imported(file, "report/figures") & set(FIGURES) == words, file


def test_no_page_is_imported_elsewhere() -> None:
    for file in CODE:
        assert not _imported(file, "app/pages") & set(PAGES), file


def test_planner_and_tasks_name_no_stage() -> None:
    for file in CODE:
        if {CORE / "planner", ROOT / "tasks"} & set(file.parents):
            assert not set(STAGES) & _strings(file), file
