"""Figures of the sweeps: marks inside their panels, statements that say what the artifacts hold, nothing of nothing."""

import re
import shutil
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import isotonic_regression

from pipeline_core.report import axes
from pipeline_core.report import facts as facts_module
from pipeline_core.report.build import Shown, _environment
from pipeline_core.report.chart import HEIGHT, WIDTH, Charts, Level, Panel, Point, Series, draw, extent, spread
from pipeline_core.report.facts import Facts
from pipeline_core.report.figures import FIGURES, SWEEPS, Drawing, in_order
from pipeline_core.report.figures.maps import VIEWS
from pipeline_core.report.figures.poolings import MASKS, POOLINGS
from pipeline_core.report.figures.removal import whether_distractors
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.pictures import Pictures
from pipeline_core.report.settings import ReportSettings
from pipeline_core.report.summary import summary_of
from pipeline_core.report.text import percent, points
from pipeline_core.report.verdicts import Verdicts
from pipeline_core.schema.parquet import write_table
from tests.report.artifacts import HOSTILE
from tests.report.sweep_artifacts import BEST_LAYER, DEPTH, RECIPES, SCORED, SELECTIONS, SHARES, with_sweeps
from tests.report.test_facts import make_warehouse, same_rows
from tests.report.test_page import Outline
from tests.report.world import RunWorld

ANCHORS = ("poolings", "layers", "beta", "removal", "cost", "attention", "quadrants", "maps")
QUESTIONS = sorted(f"sweeps/{path.stem}" for path in (Path(str(facts_module._SQL)) / "sweeps").glob("*.sql"))
NUMBER = r"-?\d+(?:\.\d+)?"


@pytest.fixture(scope="module")
def figures(swept: ReportInputs) -> dict[str, Shown]:
    return figures_of(swept)


@pytest.fixture(scope="module")
def warehouse(swept: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        make_warehouse(connection, swept, tmp_path_factory.mktemp("warehouse"))
        yield connection


def figures_of(inputs: ReportInputs, settings: ReportSettings | None = None) -> dict[str, Shown]:
    with Facts(inputs) as facts, Pictures(inputs.dataset) as pictures:
        summary = summary_of(inputs, facts, Verdicts(()))
        drawing = Drawing(inputs, facts, settings or ReportSettings(), pictures, summary)
        found = [(figure, figure.draw(drawing)) for figure in in_order() if figure.section == SWEEPS]
    return {figure.name: Shown(figure, drawn) for figure, drawn in found if drawn is not None}


def panels_of(figure: Shown) -> list[Panel]:
    assert isinstance(figure.drawn.content, Charts)
    return [panel for row in figure.drawn.content.rows for panel in row.panels]


def charted(figures: dict[str, Shown]) -> list[Panel]:
    return [panel for figure in figures.values() if figure.figure.template == "charts" for panel in panels_of(figure)]


def render(*figures: Shown) -> str:
    page = (
        _environment().from_string('{% import "figures.html" as f %}{{ f.figures(figures) }}').render(figures=figures)
    )
    assert isinstance(page, str)
    return page


def table(folder: Path | None, name: str) -> pl.DataFrame:
    assert folder is not None
    return pl.read_parquet(folder / f"{name}.parquet")


def mean_hit(run: RunWorld, study: str, **system: object) -> dict[str, float]:
    """Mean hit rate over tasks and repetitions by system, straight from the artifacts' files."""
    found = []
    for models in (run.models, *run.repetitions):
        systems = table(models[0].grid, "systems").filter(study=study, **system)
        metrics = table(models[0].grid, "retrieval_metrics").filter(split="test", metric="hit_rate", k=5)
        found.append(metrics.join(systems, on="system_id", how="semi"))
    means = pl.concat(found).group_by("system_id").agg(pl.col("value").mean())
    return dict(means.iter_rows())


def test_every_figure_has_an_anchor_a_statement_and_sql(figures: dict[str, Shown]) -> None:
    assert tuple(figures) == ANCHORS
    for figure in figures.values():
        assert re.search(r"\d", figure.drawn.statement)
        assert all(answer.rows.height and answer.sql.startswith("--") for answer in figure.drawn.answers)


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_warehouse_gives_the_same_rows(
    swept: ReportInputs, warehouse: duckdb.DuckDBPyConnection, name: str
) -> None:
    with Facts(swept) as facts:
        same_rows(facts.ask(name), warehouse)


def test_marks_lie_inside_their_panels_and_lines_run_to_the_right(figures: dict[str, Shown]) -> None:
    panels = charted(figures)
    assert len(panels) > 30
    for panel in panels:
        assert panel.marks
        for marks in panel.marks:
            for path in (marks.line, marks.band, marks.filled, marks.hollow):
                for x, y in re.findall(rf"({NUMBER}) ({NUMBER})", path):
                    assert 0 <= float(x) <= WIDTH
                    assert 0 <= float(y) <= HEIGHT
            across = [float(x) for x in re.findall(rf"({NUMBER}) {NUMBER}", marks.line)]
            assert across == sorted(set(across))


def test_ticks_are_in_order_on_their_axes(figures: dict[str, Shown]) -> None:
    for panel in charted(figures):
        for axis in (panel.x, panel.y):
            places = [tick.at for tick in axis.ticks]
            assert len(places) >= 2
            assert places == sorted(set(places))
            assert 0 <= places[0] <= places[-1] <= 1


def test_labels_beside_a_panel_do_not_collide(figures: dict[str, Shown]) -> None:
    most = 0
    for panel in charted(figures):
        tops = [label.top for label in panel.labels]
        most = max(most, len(tops))
        assert all(after - before >= 0.0619 for before, after in pairwise(tops))
        assert all(0 <= top <= 1 for top in tops)
    assert most > 12


@given(st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=15).map(sorted), st.floats(0.001, 1 / 14))
def test_spread_is_isotonic_regression(wanted: list[float], gap: float) -> None:
    steps = gap * np.arange(len(wanted))
    expected = isotonic_regression(np.array(wanted) - steps, y_min=0, y_max=1 - steps[-1]) + steps
    np.testing.assert_allclose(spread(wanted, gap), expected, atol=1e-9)


def test_what_does_not_collide_stays_where_it_is() -> None:
    assert spread([0.1, 0.5, 0.9], 0.2) == pytest.approx([0.1, 0.5, 0.9])


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=9), st.sampled_from([0.0, 0.05]))
def test_a_linear_axis_holds_its_values_and_marks_round_ones(values: list[float], margin: float) -> None:
    axis = axes.linear(values, repr, margin=margin)
    assert axis.low <= min(values) <= max(values) <= axis.high
    marks = [float(tick.label) for tick in axis.ticks]
    for tick, mark in zip(axis.ticks, marks, strict=True):
        assert tick.at == pytest.approx(axis.at(mark))
    steps = np.diff(marks)
    if len(steps):
        assert f"{steps[0]:.0e}"[0] in "125"


@given(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=9))
def test_decades_hold_their_values_at_logarithmic_places(values: list[float]) -> None:
    axis = axes.decades(values, repr)
    assert axis.low <= min(values) * (1 + 1e-9)
    assert max(values) <= axis.high * (1 + 1e-9)
    assert len(axis.ticks) >= 2
    for tick in axis.ticks:
        exponent = np.log10(float(tick.label))
        assert exponent == pytest.approx(round(exponent))
        share = (exponent - np.log10(axis.low)) / (np.log10(axis.high) - np.log10(axis.low))
        assert tick.at == pytest.approx(share)


def test_measured_values_are_marked_where_they_are_not_crowded() -> None:
    axis = axes.measured(SHARES, axes.bare_percentages)
    assert [tick.label for tick in axis.ticks] == ["0.1", "0.25", "0.5", "1", "2", "5"]
    assert axis.at(0.005) == pytest.approx(np.log(5) / np.log(50))
    crowded = axes.measured([1, 50, 99, 100], "{:g}".format)
    assert [tick.label for tick in crowded.ticks] == ["1", "50", "100"]


@pytest.mark.parametrize(("value", "tick"), [(0.1, "+10"), (-0.025, "−2.5"), (0.0, "0"), (-0.0, "0"), (3 * 0.1, "+30")])
def test_ticks_of_differences_have_signs(value: float, tick: str) -> None:
    assert axes.signed_points(value) == tick


def test_a_level_far_above_is_named_and_does_not_press_the_lines_down() -> None:
    line = Series("raw", "line-raw", (Point(0, 0.1, 0.1, 0.1), Point(1, 0.2, 0.2, 0.2)))
    far, near = Level("far", "line-other", 0.9), Level("near", "line-centred", 0.25, across=False)
    y = axes.linear(extent([line], [far, near]), axes.percentages)
    assert y.high == 0.25
    panel = draw("t", "", [line], axes.linear([0, 1], "{:g}".format, "x"), y, percent, [far, near], labelled=True)
    assert [label.text for label in panel.labels] == ["90.0% far ↑", "25.0% near", "raw"]
    assert [path for _, path in panel.levels] == ["M310 0.0H320"]
    assert panel.key == (("line-raw", "raw"), ("line-other", "far"))
    assert "far: 90.0% throughout" in panel.description
    assert "raw: 10.0% at 0, 20.0% at 1, highest 20.0% at 1" in panel.description


def test_points_that_are_not_sure_are_hollow() -> None:
    dots = (Point(0, 0.1, 0.0, 0.2, True), Point(1, 0.2, 0.1, 0.3, False))
    x, y = axes.linear([0, 1], "{:g}".format), axes.linear([0, 0.4], "{:g}".format)
    (marks,) = draw("t", "", [Series("s", "c", dots, "dots")], x, y, percent).marks
    assert (marks.filled, marks.hollow) == ("M0.0 120.0h0", "M320.0 80.0h0")
    assert marks.intervals == "M0.0 160.0V80.0M320.0 120.0V40.0"
    assert not marks.line
    assert not marks.band


def test_bands_are_ranges_over_repetitions(figures: dict[str, Shown], swept_run: RunWorld) -> None:
    assert all(marks.band for panel in panels_of(figures["layers"]) for marks in panel.marks)
    alone = figures_of(replace(swept_run, repetitions=()).told())
    assert tuple(alone) == ANCHORS
    assert not any(marks.band for panel in panels_of(alone["layers"]) for marks in panel.marks)
    assert not any("<small>" in part for part in re.findall(r"<td.*?</td>", render(alone["poolings"])))


def test_layers_name_the_best_and_the_last(figures: dict[str, Shown], swept_run: RunWorld) -> None:
    raw = mean_hit(swept_run, "layers", adaptation="identity")
    realign = mean_hit(swept_run, "layers", adaptation="realign", fit_on="candidates")
    assert max(raw, key=lambda name: raw[name]) == f"reference-mllm/L{BEST_LAYER}/raw"
    statement = figures["layers"].drawn.statement
    assert statement.startswith("The layer of reference-mllm that is highest on test, ")
    best, last = raw[f"reference-mllm/L{BEST_LAYER}/raw"], raw[f"reference-mllm/L{DEPTH}/raw"]
    assert f"raw at {BEST_LAYER} ({percent(best)}; against {percent(last)} at the last, {DEPTH})" in statement
    whitened = realign[f"reference-mllm/L{DEPTH}/realign-candidates"]
    assert f"ReAlign at {DEPTH} ({percent(whitened)}; the last)" in statement


def test_layers_have_a_panel_a_task_and_the_other_models_level(figures: dict[str, Shown]) -> None:
    mean, *tasks = panels_of(figures["layers"])
    assert len(tasks) == len(SCORED)
    assert any("reference-contrastive, raw" in label.text for label in mean.labels)
    assert [label for _, label in mean.key[:4]] == ["raw", "mean removed, support", "ReAlign", "ReAlign, support"]


def test_poolings_show_every_cell(figures: dict[str, Shown], swept_run: RunWorld) -> None:
    (view,) = figures["poolings"].drawn.content
    means = mean_hit(swept_run, "poolings", adaptation="identity")
    raw = view.grids[0]
    assert list(raw.rows) == list(POOLINGS)
    for pooling, cells in raw.rows.items():
        for mask, cell in zip(MASKS, cells, strict=True):
            assert cell.value == pytest.approx(means[f"reference-mllm/{pooling}-{mask}/raw"])
            assert cell.low <= cell.value <= cell.high
    assert [cell.best for cells in raw.rows.values() for cell in cells] == [True, *[False] * 15]
    assert f"raw, all tokens: mean {percent(raw.rows['mean'][0].value)}, last" in figures["poolings"].drawn.statement
    assert [task.note for task in view.bars] == ["it2i, hit@5"]
    assert len(view.bars[0].bars) == 3 * len(MASKS)
    assert [grid.title for grid in view.grids] == ["raw", "mean removed, support", "ReAlign"]
    centred = mean_hit(swept_run, "poolings", adaptation="mean_removal")
    assert view.grids[1].rows["max"][2].value == pytest.approx(
        centred["reference-mllm/max-no_prompt/mean_removal-support"]
    )


def test_a_cell_that_was_not_swept_says_so(figures: dict[str, Shown]) -> None:
    figure = figures["poolings"]
    (view,) = figure.drawn.content
    grid = replace(view.grids[0], rows={**view.grids[0].rows, "min": (None, None, None, None)})
    page = render(replace(figure, drawn=replace(figure.drawn, content=(replace(view, grids=(grid,)),))))
    assert page.count("<td>not swept</td>") == 4


def test_betas_show_four_lines_and_every_rival(figures: dict[str, Shown], swept_run: RunWorld) -> None:
    mean = panels_of(figures["beta"])[0]
    assert len(mean.marks) == 4
    names = {label.text.partition(" ")[2] for label in mean.labels}
    assert names == {
        *("raw", "chance", "mean removed", "ZCA", "PCA", "PCA, joint", "Ledoit-Wolf shrinkage", "OAS shrinkage"),
        *(f"PCA, rank {rank}, joint" for rank in (32, 64, 128)),
        *(
            f"{name}, beta {beta}"
            for name in ("optimal transport", "ReAlign averaged over layers")
            for beta in (0.1, 0.5)
        ),
    }
    curve = mean_hit(swept_run, "adaptations", adaptation="realign", variant="text", fit_on="candidates")
    at = {beta: curve[f"reference-mllm/adaptations/realign-b{beta}-candidates"] for beta in (0.0, 0.4, 1.0)}
    expected = f"{percent(at[0.0])} at β 0, {percent(at[0.4])} at 0.4, the highest on test, {percent(at[1.0])} at 1"
    assert expected in figures["beta"].drawn.statement


def test_doses_have_rows_of_panels_for_each_recipe(figures: dict[str, Shown]) -> None:
    assert isinstance(figures["removal"].drawn.content, Charts)
    rows = figures["removal"].drawn.content.rows
    assert [len(row.panels) for row in rows] == [3, 4] * len(RECIPES)
    assert [panel.title for panel in rows[0].panels] == ["Text → picture", "Picture → text", "Mean over the tasks"]
    assert [len(panel.marks) for panel in rows[0].panels] == [len(SELECTIONS)] * 3
    assert [panel.title for panel in rows[1].panels] == ["By rank", "Cumulatively", "Alone", "Alone"]
    assert [len(panel.marks) for panel in rows[1].panels] == [len(SELECTIONS), 3, 1, 1]
    texts = [label.text for label in rows[0].panels[0].labels]
    assert sum("one mean" in text for text in texts) == sum("mean of each side" in text for text in texts) == 1
    assert "nearest in energy" in texts


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
        f"mean of each side {points(np.mean(deltas('mean', '/mean_each_side')))}.",
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
    assert [len(row.panels) for row in one.drawn.content.rows] == [3, 4] * len(RECIPES)
    assert [len(row.panels) for row in all_of_them.drawn.content.rows] == [4] * len(RECIPES)


def test_single_features_are_filled_where_the_test_says_so(figures: dict[str, Shown], swept_run: RunWorld) -> None:
    effects = table(swept_run.models[0].doses, "removal_effects")
    alone = effects.filter(sae_id="reference-mllm/paper", selection="single", task_id="t2i")
    panel = panels_of(figures["removal"])[5]
    assert panel.note == "text → picture, hit@5"
    (marks,) = panel.marks
    assert marks.filled.count("M") == alone.filter(pl.col("q") < 0.05).height > 0
    assert marks.hollow.count("M") == alone.filter(pl.col("q") >= 0.05).height > 0


def test_cost_is_set_against_one_search(figures: dict[str, Shown]) -> None:
    # 0.05 + 4 + 6 seconds for adaptation, 12.0005 for search.
    expected = (
        "At 1,000,000 candidates of reference-mllm's width (576), ReAlign takes 10.1 s, 0.84 times one search (12 s)."
    )
    assert figures["cost"].drawn.statement == expected
    time, memory = panels_of(figures["cost"])[:2]
    assert [tick.label for tick in time.x.ticks] == ["1k", "10k", "100k", "1M"]
    assert time.y.logarithmic
    assert [label.text for label in time.labels] == ["search", "apply", "fit"]
    assert memory.title == "Peak memory, MiB"


def test_attention_leaves_out_roles_that_a_modality_lacks(figures: dict[str, Shown]) -> None:
    panels = panels_of(figures["attention"])
    assert [(panel.title, len(panel.marks)) for panel in panels] == [
        *[("Pictures", 3)] * 2,
        *[("Texts", 3)] * 2,
        *[("Pictures with texts", 4)] * 2,
    ]
    # Over 12 layers the picture's mass falls from 48% to 26%; from all tokens it is half of that.
    statement = figures["attention"].drawn.statement
    assert "from the last token image 37%, text 20%, instruction 16%" in statement
    assert "from all pooled tokens image 18%, text 20%" in statement


@pytest.mark.parametrize("source", ["last", "pooled"])
def test_quadrants_state_the_excess_with_its_interval(
    figures: dict[str, Shown], swept_run: RunWorld, source: str
) -> None:
    rows = table(swept_run.models[0].attention, "attention_quadrants").filter(source=source)
    samples = rows.group_by("sample_id", "quadrant").agg(pl.col("mass", "control").mean())
    excess = (samples["mass"] - samples["control"]).to_numpy()
    by_quadrant = [stratum["mass"].to_numpy() for stratum in samples.partition_by("quadrant")]
    squares = sum(((masses - masses.mean()) ** 2).sum() for masses in by_quadrant)
    half = 1.96 * np.sqrt(squares / (len(excess) - len(by_quadrant)) / len(excess))
    low, high = points(excess.mean() - half), points(excess.mean() + half)
    assert f"({low} to {high} points)" in figures["quadrants"].drawn.statement
    assert "chance is 25%" in figures["quadrants"].drawn.statement


def test_maps_show_as_many_samples_as_asked_for(swept: ReportInputs) -> None:
    (model,) = figures_of(swept, ReportSettings(maps_shown=3))["maps"].drawn.content
    assert len(model.maps) == 3
    for shown in model.maps:
        assert shown.image.startswith("data:image/webp")
        assert [overlay.view for overlay in shown.overlays] == list(VIEWS.values())
        assert len({shown.image, *(overlay.image for overlay in shown.overlays)}) >= 3


def test_maps_of_the_last_third_leave_the_earlier_layers_out(swept_run: RunWorld) -> None:
    with Facts(swept_run.told()) as facts:
        asked = FIGURES["maps"].ask(facts, n_samples=1).rows
    stored = table(swept_run.models[0].attention, "attention_maps")
    late = stored.filter(source="last", sample_id=asked["sample_id"][0]).filter(
        3 * pl.col("layer") > 2 * pl.col("layer").max()
    )
    expected = np.mean([np.array(weights) for weights in late["weights"].to_list()], axis=0)
    np.testing.assert_allclose(asked.filter(layers="last third")["weights"].to_list()[0], expected, atol=1e-6)


def test_a_plain_analysis_has_no_such_figures(inputs: ReportInputs) -> None:
    assert figures_of(inputs) == {}


@pytest.mark.parametrize(
    ("stage", "left_out"),
    [
        ("grid", {"poolings", "layers", "beta"}),
        ("doses", {"removal"}),
        ("efficiency", {"cost"}),
        ("attention", {"attention", "quadrants", "maps"}),
    ],
)
def test_what_was_not_measured_is_left_out(swept_run: RunWorld, stage: str, left_out: set[str]) -> None:
    absent: dict[str, Any] = {stage: None}
    bare = [
        tuple(replace(model, **absent) for model in models) for models in (swept_run.models, *swept_run.repetitions)
    ]
    found = figures_of(replace(swept_run, models=bare[0], repetitions=tuple(bare[1:])).told())
    assert set(ANCHORS) - set(found) == left_out
    render(*found.values())


def test_a_dual_encoder_alone_has_betas_and_costs(swept_run: RunWorld) -> None:
    others = tuple(models[1:] for models in swept_run.repetitions)
    alone = replace(swept_run, models=swept_run.models[1:], repetitions=others)
    assert set(figures_of(alone.told())) == {"beta", "cost"}


def test_the_page_is_well_formed_with_words_for_every_drawing(figures: dict[str, Shown]) -> None:
    parsed = Outline()
    parsed.feed(render(*figures.values()))
    assert parsed.open == []
    assert [figure["id"] for figure in parsed.of("figure")] == [f"figure-{anchor}" for anchor in ANCHORS]
    assert all(svg.get("aria-hidden") == "true" or svg["aria-label"] for svg in parsed.of("svg"))
    assert all(image["alt"] for image in parsed.of("img"))
    assert len(parsed.of("caption")) == len(parsed.of("table"))


def test_lines_of_one_figure_differ_in_dashes_or_thickness_and_not_in_tone_alone(figures: dict[str, Shown]) -> None:
    sheet = (Path(str(facts_module._SQL)).parent / "templates" / "figures.css").read_text(encoding="utf-8")
    looks = {}
    for selectors, rule in re.findall(r"^(\.line-[^{]*)\{([^}]*--tone[^}]*)\}", sheet, re.MULTILINE):
        dashes, thickness = (re.search(rf"--{name}: ([^;]*);", rule) for name in ("dash", "thickness"))
        for style in re.findall(r"line-\w+", selectors):
            looks[style] = (dashes and dashes[1], thickness and thickness[1])
    for figure in figures.values():
        if isinstance(figure.drawn.content, Charts):
            assert len({looks[style] for style, _ in figure.drawn.content.key}) == len(figure.drawn.content.key) >= 3


def test_names_stay_text(hostile_run: RunWorld, tmp_path: Path) -> None:
    found = figures_of(with_sweeps(hostile_run, tmp_path, repetitions=0).told())
    figure = copy(found["layers"].figure)
    figure.title = HOSTILE
    nasty = Shown(figure, replace(found["layers"].drawn, statement=HOSTILE, note=HOSTILE))
    level = Level(HOSTILE, "line-raw", 0.5)
    axis = axes.linear([0, 1], "{:g}".format, HOSTILE)
    panel = draw(HOSTILE, HOSTILE, [], axis, axis, percent, [level])
    assert isinstance(nasty.drawn.content, Charts)
    rows = tuple(replace(row, title=HOSTILE, panels=(panel,)) for row in nasty.drawn.content.rows)
    parsed = Outline()
    parsed.feed(render(replace(nasty, drawn=replace(nasty.drawn, content=Charts(rows))), found["maps"]))
    assert "".join(parsed.text).count(HOSTILE) > 6
    assert parsed.of("script") == []
    assert parsed.of("b") == []
