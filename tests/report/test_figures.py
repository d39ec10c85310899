"""What the figures draw: densities, cumulative curves, recall on one scale."""

import re

import numpy as np
import pytest

from pipeline_core.report.facts import Facts
from pipeline_core.report.figures import FIGURES, density, energy
from pipeline_core.report.figures.density import GRID, modality_density
from pipeline_core.report.figures.recall import common_scale
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.recall import Score, TaskRecall


def test_a_density_has_area_one_even_at_the_ends() -> None:
    scores = np.array([0.0, 0.0, 0.5, 1.0])
    curve = modality_density(scores, np.ones(4))
    assert np.trapezoid(curve, GRID) == pytest.approx(1.0, abs=1e-3)
    # Two of the four scores are 0, and their kernels' halves below 0 are folded back.
    assert curve[0] == pytest.approx(4 * curve[80], rel=1e-3)


def test_a_density_is_the_mirrored_sum_of_kernels() -> None:
    random = np.random.default_rng(0)
    scores, weights = random.uniform(size=50), random.uniform(size=50)
    images = np.stack([-scores, scores, 2 - scores])
    kernels = np.exp(-0.5 * ((GRID[:, None, None] - images) / density.BANDWIDTH) ** 2)
    expected = (kernels.sum(axis=1) @ weights) / weights.sum() / (density.BANDWIDTH * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(modality_density(scores, weights), expected, rtol=1e-6)


def test_panels_of_one_name_stand_side_by_side(inputs: ReportInputs) -> None:
    with Facts(inputs) as facts:
        panels = density.density_panels(inputs, FIGURES["density"].ask(facts).rows, facts.ask("energy_split").rows)
    assert [(p.sae.model, p.sae.name) for p in panels] == [
        ("reference-mllm", "paper"),
        ("reference-contrastive", "paper"),
        ("reference-mllm", "centred"),
    ]
    heights = [float(y) for panel in panels for y in re.findall(r" (-?[\d.]+)", panel.by_energy + panel.by_count)]
    assert min(heights) == pytest.approx(density.TOP, abs=0.05)
    assert max(heights) <= density.BASE


def test_energy_curves_rise_to_all_and_are_marked_at_99_percent(inputs: ReportInputs) -> None:
    with Facts(inputs) as facts:
        rows, marks = FIGURES["energy"].ask(facts).rows, facts.ask("energy_concentration").rows
    curves = energy.energy_curves(inputs, rows, marks)
    assert len(curves) == 3
    for curve in curves:
        places = [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", curve.path)]
        across, up = zip(*places, strict=True)
        assert list(across) == sorted(across)
        assert list(up) == sorted(up, reverse=True)
        assert places[-1] == (energy.WIDTH, energy.TOP)
        assert curve.mark == (energy.across(curve.feature_share), energy.up(0.99))


def test_the_axis_of_features_is_logarithmic() -> None:
    assert energy.across(1.0) == energy.WIDTH
    assert energy.across(0.01) == pytest.approx(energy.WIDTH / 2)
    assert energy.across(1e-9) == 0.0


@pytest.mark.parametrize(("high", "scale"), [(0.02, 0.1), (0.41, 0.5), (0.7, 0.7), (1.0, 1.0)])
def test_tasks_share_a_scale_that_holds_every_interval(high: float, scale: float) -> None:
    scores = {"raw": Score("s", high / 2, 0.0, high)}
    task = TaskRecall("t2i", "t->i", "", 5, 0.01, 10, 10, scores, {})
    assert common_scale([task]) == pytest.approx(scale)
