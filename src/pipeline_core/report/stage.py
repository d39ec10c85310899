"""The stage ``report``: what was found, as one page, with the verdicts on the paper's claims as tables."""

from collections.abc import Sequence
from pathlib import Path

from pipeline_core.report.settings import ReportSettings
from pipeline_core.stage import RunStage, RunSubject, Work


class Report(RunStage):
    """Reads every other artifact of the run."""

    name = "report"
    about = "Writes the page, the verdicts on the paper's claims, and every table as text to copy."
    version = 4
    settings = ReportSettings
    shared = ("dataset", "protocol")
    kinds = ("adaptation", "figure")

    def data_files(self) -> Sequence[Path]:
        """Return queries, templates, the claims' rules and the paper's figures."""
        from pipeline_core.report.files import report_data_files

        return report_data_files()

    def summary(self, folder: Path) -> str:
        """Return the findings, line by line, and where the page is."""
        from pipeline_core.report.files import REPORT_FILE, read_summary

        lines = "\n".join(f"- {line}" for line in read_summary(folder))
        return f"{lines}\n\nThe whole report: `{folder / REPORT_FILE}`"

    def build(self, work: Work[RunSubject]) -> None:
        """Write the page and its tables."""
        from pipeline_core.report.build import build_report
        from pipeline_core.report.inputs import inputs_of

        build_report(inputs_of(work), work.settings(ReportSettings), work.folder)


STAGE = Report()
