"""Files of a report, and the files of the package that it is made with."""

import hashlib
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from pipeline_core import warehouse
from pipeline_core.registry import GROUP

REPORT_FILE = "report.html"
SUMMARY_FILE = "summary.txt"
"""The lines that a person reads at the end of a run."""

TABLES_FOLDER = "tables"
"""Where every table of the page lies as Markdown, LaTeX and CSV."""

_HERE = Path(__file__).parent
_WAREHOUSE = Path(warehouse.__path__[0])
_DATA = {".sql", ".html", ".css", ".js", ".yaml", ".csv"}


def report_data_files() -> Sequence[Path]:
    """Return queries, templates, the claims' rules, the paper's figures, and the views of the warehouse."""
    found = (file for folder in (_HERE, _WAREHOUSE / "paper") for file in folder.rglob("*") if file.suffix in _DATA)
    return sorted((*found, *(_WAREHOUSE / name for name in ("latest.sql", "views.sql"))))


def outside_figures() -> str | None:
    """Return the identity of the figures from outside: a digest of their modules and of the SQL beside them.

    None if there are none.
    """
    found = sorted(entry_points(group=f"{GROUP}.figure"), key=lambda entry: entry.name)
    digest = hashlib.sha256()
    for entry in found:
        for file in _files_of(entry):
            content = file.read_bytes()
            digest.update(f"{entry.name} {entry.value} {file.name} {len(content)}\n".encode() + content)
    return digest.hexdigest() if found else None


def _files_of(entry: EntryPoint) -> tuple[Path, ...]:
    """Return the module of a figure and its SQL; nothing where it cannot be found, which is told when it is loaded."""
    try:
        spec = find_spec(entry.module)
    except ModuleNotFoundError:
        return ()
    if spec is None or spec.origin is None:
        return ()
    module = Path(spec.origin)
    return (module, *sorted(module.parent.glob(f"{entry.name}*.sql")))


def read_summary(folder: Path) -> list[str]:
    """Return the lines of a report artifact's summary."""
    return (folder / SUMMARY_FILE).read_text(encoding="utf-8").splitlines()
