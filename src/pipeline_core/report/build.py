"""The report: one self-contained HTML file that opens with pictures of what was found and ends with every table.

Beside it lie its verdicts as tables of the schema, and every table of the page as text to copy.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from pipeline_core.config import ReportConfig
from pipeline_core.report import copying, density, energy, recall, text
from pipeline_core.report.claims import claim_tables, judge
from pipeline_core.report.contents import contents, shown_in
from pipeline_core.report.examples import feature_gallery
from pipeline_core.report.facts import Answer, Facts, model_rows
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.pictures import Pictures
from pipeline_core.report.queries import moved_queries
from pipeline_core.report.summary import Summary, summary_of
from pipeline_core.report.sweeps import sweep_figures
from pipeline_core.report.tables import Table, analysis_tables, paper_tables
from pipeline_core.report.tables.claim_numbers import claim_table
from pipeline_core.schema.parquet import write_table

REPORT_FILE = "report.html"
SUMMARY_FILE = "summary.txt"
"""The lines that a person reads at the end of a run."""

TABLES_FOLDER = "tables"
"""Where every table of the page lies as Markdown, LaTeX and CSV."""

CREDITS = {"emoji": "Pictures: Twemoji, CC-BY 4.0. Names and keywords: Unicode CLDR."}
"""Credits that a data set's licence asks for."""


@dataclass(frozen=True)
class Figure:
    """What a figure draws, what it shows in one line, and the SQL of its numbers."""

    content: Any
    statement: str
    answers: tuple[Answer, ...]


def build_report(inputs: ReportInputs, config: ReportConfig, folder: Path) -> None:
    """Write the page, the tables ``models``, ``claims``, ``claim_parts`` and ``claim_cases``, and the texts to copy.

    Args:
        inputs: what the report is made from.
        config: title, numbers of examples.
        folder: an existing folder.

    Raises:
        StoreError: an artifact lacks a table.
        DataError: a picture that is shown cannot be read.
    """
    with Facts(inputs) as facts, Pictures(inputs.dataset) as pictures:
        summary = summary_of(inputs, facts, judge(facts, inputs))
        figures = _figures(inputs, facts, summary)
        sweeps = sweep_figures(facts, inputs, config, pictures)
        of_paper, of_analysis = paper_tables(inputs, facts), analysis_tables(inputs, facts)
        numbers = {claim.rule.claim: claim_table(claim) for claim in summary.verdicts.claims}
        anchors = {f"figure-{name}" for name, figure in figures.items() if figure.content}
        anchors |= {figure.anchor for figure in sweeps}
        anchors |= {f"table-{table.anchor}" for table in (*of_paper, *of_analysis)}
        items = contents(inputs, summary.verdicts, anchors)
        page = (
            _environment()
            .get_template("report.html")
            .render(
                config=config,
                inputs=inputs,
                summary=summary,
                dataset=facts.ask("dataset").rows.row(0, named=True),
                figures=figures,
                contents=items,
                shown=shown_in(items),
                claim_tables=numbers,
                sweeps=sweeps,
                galleries=_galleries(inputs, config, facts, summary, pictures),
                moved=_moved(config, facts, summary, pictures),
                paper_tables=of_paper,
                tables=of_analysis,
                credit=CREDITS.get(inputs.config.dataset.name),
            )
        )
    (folder / REPORT_FILE).write_text(page, encoding="utf-8")
    (folder / SUMMARY_FILE).write_text("\n".join(summary.lines), encoding="utf-8")
    _write_texts((*numbers.values(), *of_paper, *of_analysis), folder / TABLES_FOLDER)
    for name, rows in claim_tables(summary.verdicts).items():
        write_table(folder, name, rows)
    write_table(folder, "models", model_rows(inputs))


def read_summary(folder: Path) -> list[str]:
    """Return the lines of a report artifact's summary."""
    return (folder / SUMMARY_FILE).read_text(encoding="utf-8").splitlines()


def _write_texts(tables: Iterable[Table], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for table in tables:
        for ending, written in copying.texts(table).items():
            (folder / f"{table.anchor}.{ending}").write_text(written, encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pipeline_core.report"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": text.percent,
        "points": text.points,
        "points_interval": text.points_interval,
        "interval": text.interval,
        "probability": text.probability,
        "number": text.number,
        "copied": copying.texts,
    }

    def asset(name: str) -> Markup:
        """Inline a style sheet or script of the package, which is trusted, as it is."""
        source = (resources.files("pipeline_core.report") / "templates" / name).read_text(encoding="utf-8")
        return Markup(source)  # noqa: S704  (no user's text is in it)

    environment.globals |= {"asset": asset, "axis": {"across": energy.across, "up": energy.up}, "roles": recall}
    environment.globals["formats"] = copying.FORMATS
    return environment


def _figures(inputs: ReportInputs, facts: Facts, summary: Summary) -> dict[str, Figure]:
    modality, split = facts.ask("modality"), facts.ask("energy_split")
    curve, concentration = facts.ask("energy_curve"), facts.ask("energy_concentration")
    panels = density.density_panels(inputs, modality.rows, split.rows)
    curves = energy.energy_curves(inputs, curve.rows, concentration.rows)
    return {
        "recall": Figure(summary.tasks, _recall_statement(summary), (facts.ask("recall"),)),
        "density": Figure(panels, _density_statement(panels), (modality, split)),
        "energy": Figure(curves, _energy_statement(curves), (curve, concentration)),
    }


def _galleries(
    inputs: ReportInputs, config: ReportConfig, facts: Facts, summary: Summary, pictures: Pictures
) -> list[Any]:
    task = summary.headline
    effects = facts.ask("removal_single", task_id=task.task_id if task else "", k=task.k if task else 0)
    found = [
        feature_gallery(facts, place, model, config.features_shown, effects.rows, pictures)
        for place, model in enumerate(inputs.models)
    ]
    return [gallery for gallery in found if gallery is not None]


def _moved(config: ReportConfig, facts: Facts, summary: Summary, pictures: Pictures) -> Any:
    task = summary.headline
    if task is None or task.realign is None or recall.RAW not in task.scores:
        return None
    before, after = task.scores[recall.RAW].system_id, task.realign.system_id
    return moved_queries(facts, before, after, config.queries_shown, pictures)


def _recall_statement(summary: Summary) -> str:
    task = summary.headline
    if task is None or task.realign is None or recall.RAW not in task.scores:
        return "Hit rate of each system, test split."
    raw, whitened = task.scores[recall.RAW], task.realign
    ratio = f" ({whitened.value / raw.value:.1f} times)" if raw.value > 0 else ""
    return (
        f"On {task.title}, hit@{task.k} goes from {text.percent(raw.value)} raw to {text.percent(whitened.value)} with "
        f"ReAlign{ratio}; chance is {text.percent(task.chance)}."
    )


def _density_statement(panels: tuple[density.DensityPanel, ...]) -> str:
    leading = [panel for panel in panels if panel.recipe == panels[0].recipe]
    found = [f"{text.percent(panel.split['text_energy'], 0)} in {panel.model_name}" for panel in leading]
    return f"Features that serve texts hold {', '.join(found)} of the energy." if found else ""


def _energy_statement(curves: tuple[energy.EnergyCurve, ...]) -> str:
    leading = [curve for curve in curves if curve.recipe == curves[0].recipe]
    found = [f"{text.percent(curve.feature_share)} of the features in {curve.model_name}" for curve in leading]
    return f"99% of the energy is held by {', '.join(found)}." if found else ""
