"""Figures of the sweeps: statements that say what the artifacts hold, nothing of nothing."""

import re
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

from pipeline_core.report import axes
from pipeline_core.report import facts as facts_module
from pipeline_core.report.build import Shown
from pipeline_core.report.chart import Charts, Level, draw
from pipeline_core.report.facts import Facts
from pipeline_core.report.figures import FIGURES
from pipeline_core.report.figures.maps import VIEWS
from pipeline_core.report.figures.poolings import MASKS, POOLINGS
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.settings import ReportSettings
from pipeline_core.report.text import percent, points
from tests.report.artifacts import HOSTILE
from tests.report.drawn import ANCHORS, figures_of, mean_hit, panels_of, render, table
from tests.report.sweep_artifacts import BEST_LAYER, DEPTH, MASKED, SCORED, with_sweeps
from tests.report.test_facts import make_warehouse, same_rows
from tests.report.test_page import Outline
from tests.report.world import RunWorld

QUESTIONS = sorted(f"sweeps/{path.stem}" for path in (Path(str(facts_module._SQL)) / "sweeps").glob("*.sql"))


@pytest.fixture(scope="module")
def warehouse(swept: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        make_warehouse(connection, swept, tmp_path_factory.mktemp("warehouse"))
        yield connection


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
    assert [task.note for task in view.dots] == ["it2i, hit@5"]
    assert len(view.dots[0].rows) == 3 * len(MASKS)
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


def test_masks_stand_by_the_side_that_they_are_on(figures: dict[str, Shown], swept_run: RunWorld) -> None:
    (view,) = figures["masks"].drawn.content
    assert [grid.title for grid in view.grids] == ["raw", "ReAlign"]
    studied = mean_hit(swept_run, "masks", tasks=["it2i"], adaptation="identity")
    pooled = mean_hit(swept_run, "poolings", tasks=["it2i"], adaptation="identity")
    rows = {side: [cell.value for cell in cells] for side, cells in view.grids[0].rows.items()}
    whole = pooled["reference-mllm/mean-all/raw"]
    stored = [pooled[f"reference-mllm/mean-{mask}/raw"] for mask in ("no_image", "no_prompt", "content")]
    one_sided = [studied[f"reference-mllm/{mask}-queries/raw"] for mask in MASKED]
    assert rows["queries"] == pytest.approx([whole, *one_sided])
    assert rows["both sides"] == pytest.approx([whole, *stored, studied["reference-mllm/no_words-both/raw"]])
    assert [len(dots.rows) for dots in view.dots] == [1 + 3 * len(MASKED)] * 2
    assert [dots.note for dots in view.dots] == ["it2i, hit@5, raw", "it2i, hit@5, ReAlign"]
    words = f"raw finds {percent(whole)}; without image tokens {percent(one_sided[0])} (queries)"
    assert words in figures["masks"].drawn.statement
    assert f"{percent(stored[0])} (both sides)" in figures["masks"].drawn.statement


def test_betas_show_four_lines_and_the_best_rival_of_every_kind(figures: dict[str, Shown], swept_run: RunWorld) -> None:
    mean = panels_of(figures["beta"])[0]
    assert len(mean.marks) == 4
    names = {label.text.partition(" ")[2] for label in mean.labels}
    assert names >= {"raw", "chance", "mean removed", "ZCA", "Ledoit-Wolf shrinkage", "OAS shrinkage"}
    kinds = ("PCA", "optimal transport", "ReAlign averaged over layers")
    assert [sum(name.startswith(kind) for name in names) for kind in kinds] == [1, 1, 1]
    assert len(names) == 9
    curve = mean_hit(swept_run, "adaptations", adaptation="realign", variant="text", fit_on="candidates")
    at = {beta: curve[f"reference-mllm/adaptations/realign-b{beta}-candidates"] for beta in (0.0, 0.4, 1.0)}
    expected = f"{percent(at[0.0])} at β 0, {percent(at[0.4])} at 0.4, the highest on test, {percent(at[1.0])} at 1"
    assert expected in figures["beta"].drawn.statement


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


def test_art_is_set_against_words_beside_recall(figures: dict[str, Shown]) -> None:
    """The art gets half of each mass, the words 40% of all attention."""
    statement, panels = figures["quadrants"].drawn.statement, panels_of(figures["quadrants"])
    assert "Of the last layer's attention to art and words, the art gets from the last token" in statement
    assert "rank correlation with recall over the layers" in statement
    assert [words for _, words in panels[1].key] == ["from the last token", "from all pooled tokens", "recall, raw"]


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
        ("grid", {"poolings", "masks", "layers", "beta"}),
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
