"""Figure 3: cumulative energy: how few features hold nearly all of it."""

from dataclasses import dataclass
from math import log10

import numpy as np
import polars as pl

from pipeline_core.report.figures._kind import FINDINGS, Drawing, Drawn, Figure
from pipeline_core.report.inputs import ReportedSae, ReportInputs
from pipeline_core.report.text import percent

WIDTH, TOP, BASE = 320.0, 8.0, 168.0
"""Drawing units: the share of features, on a logarithmic axis, spans the width; the share of energy goes up."""

LEAST_SHARE = 1e-4
"""Share of features at the left end of the axis."""

_POINTS = 160

_UP = (0.0, 0.5, 1.0)
_ACROSS = ((1e-4, "0.01%"), (1e-3, "0.1%"), (1e-2, "1%"), (1e-1, "10%"), (1.0, "100%"))
"""Marked shares of energy, and of features."""


@dataclass(frozen=True)
class EnergyCurve:
    """One SAE's curve, and where it reaches 99%: (x, y) in drawing units, number and share of features."""

    sae: ReportedSae
    path: str
    mark: tuple[float, float]
    n_features: int
    feature_share: float


@dataclass(frozen=True)
class EnergyPlot:
    """All curves, and the marks of the axes: (place in drawing units, label)."""

    curves: tuple[EnergyCurve, ...]
    up: tuple[tuple[float, str], ...]
    across: tuple[tuple[float, str], ...]


def energy_curves(inputs: ReportInputs, curve: pl.DataFrame, concentration: pl.DataFrame) -> tuple[EnergyCurve, ...]:
    """Return the curves in the order of the models.

    Args:
        inputs: the report's inputs.
        curve: rows of ``energy.sql``.
        concentration: rows of ``energy_concentration.sql``; an SAE without energy has none and gets no curve.
    """
    reached = {row["sae_id"]: row for row in concentration.iter_rows(named=True)}
    found = []
    for sae in (sae for sae in inputs.saes if sae.sae_id in reached):
        rows = curve.filter(pl.col("sae_id") == sae.sae_id)
        shares, energies = rows["feature_share"].to_numpy(), rows["energy_share"].to_numpy()
        # Ranks are far denser on the right of a logarithmic axis than a line needs.
        wanted = np.unique(
            np.searchsorted(shares, np.geomspace(shares[0], shares[-1], _POINTS)).clip(0, len(shares) - 1)
        )
        n_features, share = (reached[sae.sae_id][name] for name in ("n_features", "feature_share"))
        points = (f"{across(s):.1f} {up(e):.1f}" for s, e in zip(shares[wanted], energies[wanted], strict=True))
        found.append(EnergyCurve(sae, "M" + "L".join(points), (across(share), up(0.99)), n_features, share))
    return tuple(found)


def across(feature_share: float) -> float:
    """Return the horizontal place of a share of features."""
    return WIDTH * max(0.0, 1.0 - log10(feature_share) / log10(LEAST_SHARE))


def up(energy_share: float) -> float:
    """Return the vertical place of a share of energy."""
    return BASE - (BASE - TOP) * energy_share


def _statement(curves: tuple[EnergyCurve, ...]) -> str:
    leading = [curve for curve in curves if curve.sae.name == curves[0].sae.name]
    found = [f"{percent(curve.feature_share)} of the features in {curve.sae.model}" for curve in leading]
    return f"99% of the energy is held by {', '.join(found)}."


class Energy(Figure):
    """Cumulative energy, a curve an SAE."""

    name, place, section = "energy", 30, FINDINGS
    title = "How few features hold the energy"
    paper = (("Figure 3", "cumulative energy"),)

    def draw(self, drawing: Drawing) -> Drawn | None:
        """Draw it; None where no SAE has energy."""
        curve, concentration = self.ask(drawing.facts), drawing.facts.ask("energy_concentration")
        curves = energy_curves(drawing.inputs, curve.rows, concentration.rows)
        if not curves:
            return None
        marks = tuple((up(share), percent(share, 0)) for share in _UP)
        plot = EnergyPlot(curves, marks, tuple((across(share), label) for share, label in _ACROSS))
        return Drawn(_statement(curves), "", plot, (curve, concentration))


MEMBER = Energy()
