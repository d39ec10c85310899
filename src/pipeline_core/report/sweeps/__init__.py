"""Figures of the sweeps, of attention and of cost: the counterparts of the paper's, one file a figure."""

from pipeline_core.report.sweeps.figure import SweepFigure
from pipeline_core.report.sweeps.figures import sweep_figures

__all__ = ["SweepFigure", "sweep_figures"]
