"""All figures of the sweeps, in the order of the report."""

from pipeline_core.config import ReportConfig
from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.pictures import Pictures
from pipeline_core.report.sweeps.attention import mass_figure, quadrant_figure
from pipeline_core.report.sweeps.betas import beta_figure
from pipeline_core.report.sweeps.cost import cost_figure
from pipeline_core.report.sweeps.dose import dose_figure
from pipeline_core.report.sweeps.figure import SweepFigure
from pipeline_core.report.sweeps.heat_maps import map_figure
from pipeline_core.report.sweeps.layers import layer_figure
from pipeline_core.report.sweeps.poolings import pooling_figure


def sweep_figures(
    facts: Facts, inputs: ReportInputs, config: ReportConfig, pictures: Pictures
) -> tuple[SweepFigure, ...]:
    """Return the figures that the artifacts have numbers for; a plain analysis has none.

    Args:
        facts: the tables.
        inputs: the report's inputs.
        config: number of attention maps.
        pictures: opens pictures.

    Raises:
        DataError: a picture that is shown cannot be read.
    """
    found = (
        pooling_figure(inputs, facts),
        layer_figure(inputs, facts),
        beta_figure(inputs, facts),
        dose_figure(inputs, facts),
        cost_figure(inputs, facts),
        mass_figure(inputs, facts),
        quadrant_figure(inputs, facts),
        map_figure(inputs, facts, config.maps_shown, pictures),
    )
    return tuple(figure for figure in found if figure is not None)
