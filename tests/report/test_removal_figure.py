"""The figure of what removal does: a row a recipe, and whether the removed are distractors."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline_core.report.build import Shown
from pipeline_core.report.chart import Charts
from pipeline_core.report.figures.removal import whether_distractors
from pipeline_core.report.text import points
from pipeline_core.schema.parquet import write_table
from tests.report.drawn import figures_of, panels_of, table
from tests.report.sweep_artifacts import RECIPES, SCORED, SELECTIONS
from tests.report.world import RunWorld


def test_doses_have_rows_of_panels_for_each_recipe(figures: dict[str, Shown]) -> None:
    assert isinstance(figures["removal"].drawn.content, Charts)
    rows = figures["removal"].drawn.content.rows
    assert [len(row.panels) for row in rows] == [3, 3, 5] * len(RECIPES)
    for row in rows[:2]:
        assert [panel.title for panel in row.panels] == ["Text → picture", "Picture → text", "Mean over the tasks"]
    assert [len(panel.marks) for row in rows[:2] for panel in row.panels] == [len(SELECTIONS) - 2] * 3 + [3] * 3
    assert [panel.title for panel in rows[2].panels] == ["By rank", "By rank", "Cumulatively", "Alone", "Alone"]
    assert [len(panel.marks) for panel in rows[2].panels] == [len(SELECTIONS) - 2, 3, 3, 1, 1]
    features, directions = ([label.text for label in row.panels[0].labels] for row in rows[:2])
    for mean in ("one mean", "mean of each side"):
        assert [sum(mean in text for text in texts) for texts in (features, directions)] == [0, 1]
    assert "nearest in energy" in features
    assert "attribution" in directions


def test_no_panel_has_more_lines_than_can_be_told_apart(figures: dict[str, Shown]) -> None:
    for panel in panels_of(figures["removal"]):
        assert len(panel.marks) + len(panel.levels) <= 5


def test_the_share_of_the_analysis_is_stated_beside_every_control(
    figures: dict[str, Shown], swept_run: RunWorld
) -> None:
    effects = pl.concat(
        table(models[0].doses, "removal_effects").filter(sae_id="reference-mllm/paper")
        for models in (swept_run.models, *swept_run.repetitions)
    )
    # The rows of a system in one repetition follow each other, one a task.
    own = effects.filter(pl.col("system_id").str.contains(r"/share0\.01/|/mean")).with_row_index()
    by_system = own.group_by("selection", "system_id", pl.col("index") // len(SCORED)).agg(pl.col("delta").mean())

    def deltas(selection: str, ending: str = "") -> list[float]:
        found = by_system.filter(pl.col("system_id").str.ends_with(ending), selection=selection)
        assert found.height == (9 if "random" in selection else 3)
        return found["delta"].to_list()

    statement = figures["removal"].drawn.statement
    assert statement.startswith("reference-mllm/paper, 1% of the features removed, points of the mean over the tasks: ")
    random = deltas("random_subspace")
    for said in (
        f"attribution {points(np.mean(deltas('attribution')))}, energy {points(np.mean(deltas('energy')))}",
        f"random subspace {points(np.mean(random))} ({points(min(random))} to {points(max(random))})",
        f"one mean {points(np.mean(deltas('mean', '/mean')))}",
        f"mean of each side {points(np.mean(deltas('mean_each_side')))}.",
    ):
        assert said in statement
    assert statement.count("Are they distractors? Not they in particular: ") == len(RECIPES)


@pytest.mark.parametrize(
    ("gains", "answer"),
    [
        (
            {"energy": 0.040, "random_features": 0.003},
            "By the mean, yes: {}, more than any control (at best energy +4.0).",
        ),
        (
            {"energy": 0.060, "principal_components": 0.061, "bridge": 0.057, "random_features": 0.003},
            "Not they in particular: {}, more than random controls, but others do as well "
            "(principal components +6.1, energy +6.0).",
        ),
        # What reads the same is as much.
        (
            {"mean": 0.058, "random_subspace": 0.0},
            "Not they in particular: {}, more than random controls, but others do as well (one mean +5.8).",
        ),
        (
            {"mean": 0.07, "energy_matched": 0.06},
            "Not shown: {}, but random draws reach as much (one mean +7.0, nearest in energy +6.0).",
        ),
    ],
)
def test_whether_they_are_distractors_follows_from_the_controls(gains: dict[str, float], answer: str) -> None:
    raises = "removing the top-attribution features raises recall (+5.8)"
    assert whether_distractors(gains | {"attribution": 0.0584}) == f"Are they distractors? {answer.format(raises)}"


@pytest.mark.parametrize(("gain", "written"), [(-0.02, "−2.0"), (0.0, "0.0"), (0.0004, "0.0")])
def test_what_does_not_raise_recall_is_no_distractor(gain: float, written: str) -> None:
    said = f"Are they distractors? No: removing the top-attribution features does not raise recall ({written})."
    assert whether_distractors({"attribution": gain, "random_features": -0.3}) == said


def test_a_share_that_was_left_out_is_said_and_without_any_the_other_doses_stay(
    swept_run: RunWorld, tmp_path: Path
) -> None:
    def without(dose: str) -> Shown:
        kept = []
        for number, models in enumerate((swept_run.models, *swept_run.repetitions)):
            removal = models[0].doses
            assert removal is not None
            folder = tmp_path / f"without{dose.replace('/', '-')}" / str(number)
            shutil.copytree(removal, folder)
            effects = table(removal, "removal_effects")
            write_table(
                folder, "removal_effects", effects.filter(~pl.col("system_id").str.contains(dose, literal=True))
            )
            kept.append((replace(models[0], doses=folder), *models[1:]))
        return figures_of(replace(swept_run, models=kept[0], repetitions=tuple(kept[1:])).told())["removal"]

    one, all_of_them = without("/share0.01/"), without("/share")
    said = "reference-mllm/paper: 1% of the features, the share of the analysis, was not removed."
    for figure in (one, all_of_them):
        assert figure.drawn.statement.startswith(said)
    assert isinstance(one.drawn.content, Charts)
    assert isinstance(all_of_them.drawn.content, Charts)
    assert [len(row.panels) for row in one.drawn.content.rows] == [3, 3, 5] * len(RECIPES)
    assert [len(row.panels) for row in all_of_them.drawn.content.rows] == [5] * len(RECIPES)


def test_single_features_are_filled_where_the_test_says_so(figures: dict[str, Shown], swept_run: RunWorld) -> None:
    effects = table(swept_run.models[0].doses, "removal_effects")
    alone = effects.filter(sae_id="reference-mllm/paper", selection="single", task_id="t2i")
    panel = panels_of(figures["removal"])[9]
    assert panel.note == "text → picture, hit@5"
    (marks,) = panel.marks
    assert marks.filled.count("M") == alone.filter(pl.col("q") < 0.05).height > 0
    assert marks.hollow.count("M") == alone.filter(pl.col("q") >= 0.05).height > 0
