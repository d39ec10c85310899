"""Files of a report, and the files of the package that it is made with."""

from collections.abc import Sequence
from pathlib import Path

from pipeline_core import glossary, warehouse
from pipeline_core.contracts.suites import contracts_folder

REPORT_FILE = "report.html"
SUMMARY_FILE = "summary.txt"
"""The lines that a person reads at the end of a run."""

TABLES_FOLDER = "tables"
"""Where every table of the page lies as Markdown, LaTeX and CSV."""

_HERE = Path(__file__).parent
_WAREHOUSE = Path(warehouse.__path__[0])
_DATA = {".sql", ".html", ".css", ".js", ".yaml"}


def report_data_files() -> Sequence[Path]:
    """Return queries, templates, rules of claims, the paper's figures, the warehouse's views, words, and contracts.

    The outcomes of contracts are a table of the report, and the words are explained in it.
    """
    found = (file for file in _HERE.rglob("*") if file.suffix in _DATA)
    views = (_WAREHOUSE / name for name in ("latest.sql", "views.sql", "paper_values.csv"))
    return sorted((*found, *views, glossary.WORDS, *contracts_folder().glob("*.yaml")))


def read_summary(folder: Path) -> list[str]:
    """Return the lines of a report artifact's summary."""
    return (folder / SUMMARY_FILE).read_text(encoding="utf-8").splitlines()
