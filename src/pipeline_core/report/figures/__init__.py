"""Figures of the page, one file each with its questions in SQL beside it: everything about a figure."""

from pipeline_core.registry import Registry
from pipeline_core.report.figures._kind import FINDINGS, SWEEPS, Drawing, Drawn, Figure
from pipeline_core.report.figures._rows import Facet, Method, facets, fitted_on, methods, models_in, present, series

__all__ = [
    "FIGURES",
    "FINDINGS",
    "SWEEPS",
    "Drawing",
    "Drawn",
    "Facet",
    "Figure",
    "Method",
    "facets",
    "fitted_on",
    "in_order",
    "methods",
    "models_in",
    "present",
    "series",
]

FIGURES: Registry[Figure] = Registry("figure", __name__)


def in_order() -> list[Figure]:
    """Return all figures in the order of their places."""
    return sorted(FIGURES.values(), key=lambda member: (member.place, member.name))
