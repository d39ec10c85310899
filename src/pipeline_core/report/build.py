"""The report: one self-contained HTML file that opens with pictures of what was found and ends with every table.

Beside it lie its verdicts as tables of the schema, and every table of the page as text to copy.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from pipeline_core.glossary import terms
from pipeline_core.report import copying
from pipeline_core.report.claims import claim_tables, judge, read_verdicts
from pipeline_core.report.contents import contents, shown_in
from pipeline_core.report.facts import Facts, model_rows
from pipeline_core.report.figures import FINDINGS, SWEEPS, Drawing, Drawn, Figure, in_order
from pipeline_core.report.files import REPORT_FILE, SUMMARY_FILE, TABLES_FOLDER
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.pictures import Pictures
from pipeline_core.report.provenance import provenance
from pipeline_core.report.settings import ReportSettings
from pipeline_core.report.summary import summary_of
from pipeline_core.report.tables import ReportTable, analysis_tables, paper_tables
from pipeline_core.report.tables.claim_numbers import claim_table
from pipeline_core.report.templating import environment
from pipeline_core.schema.parquet import write_table


@dataclass(frozen=True)
class Shown:
    """A figure, and what it shows of this run."""

    figure: Figure
    drawn: Drawn


def build_report(inputs: ReportInputs, settings: ReportSettings, folder: Path) -> None:
    """Write the page, the tables ``models``, ``claims``, ``claim_parts`` and ``claim_cases``, and the texts to copy.

    Args:
        inputs: what the report is made from.
        settings: title, numbers of examples.
        folder: an existing folder.

    Raises:
        StoreError: an artifact lacks a table.
        DataError: a picture that is shown cannot be read.
    """
    with Facts(inputs) as facts, Pictures(inputs.dataset) as pictures:
        judged = judge(facts, inputs)
        for name, rows in claim_tables(judged).items():
            facts.add(name, rows)
            write_table(folder, name, rows)
        summary = summary_of(inputs, facts, read_verdicts(facts, judged))
        sections = drawn_sections(Drawing(inputs, facts, settings, pictures, summary))
        of_paper, of_analysis = (
            [replace(table, statement=f"{table.statement} {summary.sampled}".strip()) for table in tables]
            for tables in (paper_tables(inputs, facts), analysis_tables(inputs, facts))
        )
        numbers = {claim.rule.claim: claim_table(claim) for claim in summary.verdicts.claims}
        anchors = {shown.figure.anchor for figures in sections.values() for shown in figures}
        anchors |= {f"table-{table.anchor}" for table in (*of_paper, *of_analysis)}
        items = contents(inputs, summary.verdicts, anchors)
        page = (
            _environment()
            .get_template("report.html")
            .render(
                title=settings.title,
                inputs=inputs,
                summary=summary,
                dataset=facts.ask("dataset").rows.row(0, named=True),
                limits=facts.ask("limits").rows.to_dicts(),
                sections=sections,
                own_sections=[name for name in sections if name not in (FINDINGS, SWEEPS)],
                contents=items,
                shown=shown_in(items),
                claim_tables=numbers,
                paper_tables=of_paper,
                tables=of_analysis,
                credit=inputs.credit,
                words=terms(),
                provenance=provenance(inputs),
            )
        )
    (folder / REPORT_FILE).write_text(page, encoding="utf-8")
    (folder / SUMMARY_FILE).write_text("\n".join(summary.lines), encoding="utf-8")
    _write_texts((*numbers.values(), *of_paper, *of_analysis), folder / TABLES_FOLDER)
    write_table(folder, "models", model_rows(inputs))


def drawn_sections(drawing: Drawing) -> dict[str, list[Shown]]:
    """Return the figures that the run has something to draw of by section, in their order.

    Raises:
        DataError: a picture that is shown cannot be read.
    """
    sections: dict[str, list[Shown]] = {FINDINGS: [], SWEEPS: []}
    for figure in in_order():
        drawn = figure.draw(drawing)
        if drawn is not None:
            drawn = replace(drawn, note=f"{drawn.note} {drawing.summary.sampled}".strip())
            sections.setdefault(figure.section, []).append(Shown(figure, drawn))
    return sections


def _write_texts(tables: Iterable[ReportTable], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for table in tables:
        for ending, written in copying.texts(table).items():
            (folder / f"{table.anchor}.{ending}").write_text(written, encoding="utf-8")


def _environment() -> Environment:
    made = environment("pipeline_core.report")

    def asset(name: str) -> Markup:
        """Inline a style sheet or script of the package, which is trusted, as it is."""
        source = (resources.files("pipeline_core.report") / "templates" / name).read_text(encoding="utf-8")
        return Markup(source)  # noqa: S704  (no user's text is in it)

    def drawing(shown: Shown) -> Markup:
        """Draw a figure's content by its own template, which is trusted and has users' words as text."""
        return Markup(made.from_string(shown.figure.template()).render(content=shown.drawn.content))  # noqa: S704

    made.filters["copied"] = copying.texts
    made.globals |= {"asset": asset, "drawing": drawing, "formats": copying.FORMATS}
    return made
