"""All tables of the report, in its order; those without rows are left out."""

from collections.abc import Iterable

from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.tables import machinery, paper_features, paper_recall, retrieval, sweeps
from pipeline_core.report.tables.paper_recall import COMPOSED, FINE_TUNED, POOLINGS, REMOVAL, WHITENINGS, by_cutoff
from pipeline_core.report.tables.table import ReportTable


def paper_tables(inputs: ReportInputs, facts: Facts) -> list[ReportTable]:
    """Return the counterparts of the paper's tables, and of those of its figures that have numbers."""
    return _filled(
        (
            paper_recall.zero_shot_table(inputs, facts),
            by_cutoff(COMPOSED, inputs, facts),
            paper_features.density_table(inputs, facts),
            paper_features.energy_table(inputs, facts),
            paper_features.overlap_table(inputs, facts),
            by_cutoff(REMOVAL, inputs, facts),
            paper_recall.fine_tuned_table(facts),
            by_cutoff(POOLINGS, inputs, facts),
            paper_features.cost_table(inputs, facts),
            by_cutoff(WHITENINGS, inputs, facts),
        )
    )


def analysis_tables(inputs: ReportInputs, facts: Facts) -> list[ReportTable]:
    """Return the tables of the analysis itself and of its sweeps, and of how the run went."""
    scores = facts.ask("recall")
    return _filled(
        (
            *(
                retrieval.recall_table(inputs, place, scores, controls)
                for place in range(len(inputs.models))
                for controls in (False, True)
            ),
            retrieval.cutoff_table(facts.ask("cutoffs")),
            retrieval.comparison_table(facts.ask("comparisons")),
            retrieval.removal_table(facts.ask("removal_sets")),
            sweeps.layer_table(inputs, facts),
            sweeps.pooling_table(inputs, facts),
            sweeps.beta_table(inputs, facts),
            sweeps.dose_table(inputs, facts),
            sweeps.attention_table(inputs, facts),
            sweeps.quadrant_table(inputs, facts),
            machinery.reconstruction_table(facts.ask("reconstruction")),
            machinery.index_table(facts.ask("index_recall")),
            machinery.contract_table(facts.ask("contracts")),
            machinery.stage_table(inputs.run),
        )
    )


def _filled(tables: Iterable[ReportTable]) -> list[ReportTable]:
    """Leave out tables without rows of this run, but for fine-tuned embedders: few runs have any beside them."""
    return [table for table in tables if len(table.headings) > 1 and (table.rows or table.anchor == FINE_TUNED)]
