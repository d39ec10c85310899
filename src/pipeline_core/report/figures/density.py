"""Figure 2: densities of modality scores, by number of features and by energy: whom an SAE's features serve."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import gaussian_kde

from pipeline_core.report.figures._kind import FINDINGS, Drawing, Drawn, Figure
from pipeline_core.report.inputs import ReportedSae, ReportInputs
from pipeline_core.report.text import percent

BANDWIDTH = 0.04
"""Standard deviation of the kernel: the same for every curve, so that shapes can be compared."""

GRID = np.linspace(0.0, 1.0, 161)

WIDTH, TOP, BASE = 320.0, 8.0, 128.0
"""Drawing units: modality spans the width, density goes from the base up to the top."""

Curve = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DensityPanel:
    """One SAE: paths of the two densities, and the split of its energy (a row of ``energy_split.sql``)."""

    sae: ReportedSae
    by_count: str
    by_energy: str
    split: dict[str, Any]


def modality_density(modality: Curve, weights: Curve) -> Curve:
    """Return the density at GRID of scores [n] in 0 to 1 with weights [n]: a Gaussian kernel density estimate.

    Scores are mirrored at both ends, so that none of the mass leaks out of the range and the area is 1.
    """
    mirrored = np.concatenate([-modality, modality, 2.0 - modality])
    estimate = gaussian_kde(mirrored, weights=np.tile(weights, 3))
    spread = float(np.sqrt(estimate.covariance[0, 0])) / estimate.factor
    estimate.set_bandwidth(BANDWIDTH / spread)
    return np.asarray(3.0 * estimate(GRID))


def density_panels(inputs: ReportInputs, modality: pl.DataFrame, split: pl.DataFrame) -> tuple[DensityPanel, ...]:
    """Return a panel for each SAE with live features, models with one of a name side by side, all on one scale.

    Args:
        inputs: the report's inputs.
        modality: rows of ``density.sql``.
        split: rows of ``energy_split.sql``.
    """
    curves: dict[str, tuple[Curve, Curve]] = {}
    for (sae_id,), rows in modality.filter(pl.col("energy") > 0).group_by(["sae_id"], maintain_order=True):
        scores, energy = rows["modality"].to_numpy(), rows["energy"].to_numpy()
        curves[str(sae_id)] = modality_density(scores, np.ones_like(energy)), modality_density(scores, energy)
    highest = max((float(curve.max()) for pair in curves.values() for curve in pair), default=1.0)
    drawn = [sae for sae in inputs.saes if sae.sae_id in curves]
    names = [sae.name for sae in drawn]
    splits = {row["sae_id"]: row for row in split.iter_rows(named=True)}
    paths = {sae_id: [_path(curve, highest) for curve in pair] for sae_id, pair in curves.items()}
    return tuple(
        DensityPanel(sae, paths[sae.sae_id][0], paths[sae.sae_id][1], splits[sae.sae_id])
        for sae in sorted(drawn, key=lambda sae: names.index(sae.name))
    )


def _path(curve: Curve, highest: float) -> str:
    heights = BASE - (BASE - TOP) * curve / highest
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(GRID * WIDTH, heights, strict=True))


def _statement(panels: tuple[DensityPanel, ...]) -> str:
    leading = [panel for panel in panels if panel.sae.name == panels[0].sae.name]
    found = [f"{percent(panel.split['text_energy'], 0)} in {panel.sae.model}" for panel in leading]
    return f"Features that serve texts hold {', '.join(found)} of the energy."


class Density(Figure):
    """Densities of modality scores, a panel an SAE."""

    name, place, section = "density", 20, FINDINGS
    title = "Whom the features serve"
    paper = (("Figure 2", "densities by count and by energy"),)

    def draw(self, drawing: Drawing) -> Drawn | None:
        """Draw it; None where no SAE has live features."""
        modality, split = self.ask(drawing.facts), drawing.facts.ask("energy_split")
        panels = density_panels(drawing.inputs, modality.rows, split.rows)
        return Drawn(_statement(panels), "", panels, (modality, split)) if panels else None


MEMBER = Density()
