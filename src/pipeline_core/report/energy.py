"""Cumulative energy: how few features hold nearly all of it."""

from dataclasses import dataclass
from math import log10

import numpy as np
import polars as pl

from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.text import model_of, recipe_of

WIDTH, TOP, BASE = 320.0, 8.0, 168.0
"""Drawing units: the share of features, on a logarithmic axis, spans the width; the share of energy goes up."""

LEAST_SHARE = 1e-4
"""Share of features at the left end of the axis."""

_POINTS = 160


@dataclass(frozen=True)
class EnergyCurve:
    """One SAE's curve, and where it reaches 99%: (x, y) in drawing units, number and share of features."""

    model: int
    model_name: str
    recipe: str
    path: str
    mark: tuple[float, float]
    n_features: int
    feature_share: float


def energy_curves(inputs: ReportInputs, curve: pl.DataFrame, concentration: pl.DataFrame) -> tuple[EnergyCurve, ...]:
    """Return the curves in the order of the models.

    Args:
        inputs: the report's inputs.
        curve: rows of ``energy_curve.sql``.
        concentration: rows of ``energy_concentration.sql``; an SAE without energy has none and gets no curve.
    """
    reached = {row["sae_id"]: row for row in concentration.iter_rows(named=True)}
    found = []
    for sae_id in (sae.sae_id for model in inputs.models for sae in model.saes if sae.sae_id in reached):
        rows = curve.filter(pl.col("sae_id") == sae_id)
        shares, energies = rows["feature_share"].to_numpy(), rows["energy_share"].to_numpy()
        # Ranks are far denser on the right of a logarithmic axis than a line needs.
        wanted = np.unique(
            np.searchsorted(shares, np.geomspace(shares[0], shares[-1], _POINTS)).clip(0, len(shares) - 1)
        )
        row = reached[sae_id]
        found.append(
            EnergyCurve(
                model_of(inputs, sae_id),
                inputs.models[model_of(inputs, sae_id)].name,
                recipe_of(sae_id),
                "M"
                + "L".join(
                    f"{across(s):.1f} {up(e):.1f}" for s, e in zip(shares[wanted], energies[wanted], strict=True)
                ),
                (across(row["feature_share"]), up(0.99)),
                row["n_features"],
                row["feature_share"],
            )
        )
    return tuple(found)


def across(feature_share: float) -> float:
    """Return the horizontal place of a share of features."""
    return WIDTH * max(0.0, 1.0 - log10(feature_share) / log10(LEAST_SHARE))


def up(energy_share: float) -> float:
    """Return the vertical place of a share of energy."""
    return BASE - (BASE - TOP) * energy_share
