"""The paper's tables with this run's numbers: each cell against the artifacts and the paper's own files."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from pipeline_core.report import facts as facts_module
from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.tables import ReportTable, paper_tables
from pipeline_core.report.tables.table import seeded
from pipeline_core.schema.parquet import write_table
from pipeline_core.warehouse.paper import paper_values
from tests.report.claim_artifacts import (
    CONTRASTIVE,
    GENERATIVE,
    POOLINGS,
    REDUCTIONS,
    REPETITIONS,
    SCORED,
    TASKS,
    TUNED,
    World,
)
from tests.report.test_facts import make_warehouse, same_rows
from tests.report.world import RunWorld

QUESTIONS = sorted(path.stem for path in (Path(str(facts_module._SQL)) / "paper").glob("*.sql"))
ANCHORS = ["zero-shot", "composed", "densities", "energy", "overlaps", "removal-recall", "fine-tuned", "poolings"]
ANCHORS += ["cost", "whitening"]


@pytest.fixture(scope="module")
def tables(claim_inputs: ReportInputs) -> dict[str, ReportTable]:
    return tables_of(claim_inputs)


@pytest.fixture(scope="module")
def warehouse(
    claim_inputs: ReportInputs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        make_warehouse(connection, claim_inputs, tmp_path_factory.mktemp("paper-warehouse"))
        yield connection


def tables_of(inputs: ReportInputs) -> dict[str, ReportTable]:
    with Facts(inputs) as facts:
        return {table.anchor: table for table in paper_tables(inputs, facts)}


def row_of(table: ReportTable, *start: str, paper: bool = False) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the one row that starts so: (text, small print) by the heading's."""
    (found,) = (
        row
        for row in (table.paper_rows if paper else table.rows)
        if tuple(cell.text for cell in row[: len(start)]) == start
    )
    headings = [(heading.text, heading.small) for heading in table.headings]
    return {place: (cell.text, cell.small) for place, cell in zip(headings, found, strict=True)}


def written(values: Sequence[float], write: Callable[[float], str] = "{:.1f}".format) -> tuple[str, str]:
    """Write a mean and the range of the seeds, as the tables do."""
    low, high = write(min(values)), write(max(values))
    return write(float(np.mean(values))), f"{low} to {high}" if low != high else ""


def printed_in(**where: str) -> dict[str, float]:
    return dict(paper_values().filter(**where).select("quantity", "value").iter_rows())


def texts(table: ReportTable) -> list[list[tuple[str, str]]]:
    return [[(cell.text, cell.small) for cell in row] for row in table.rows]


def own_percent(world: World, short: str, task: str, model: str = GENERATIVE) -> list[float]:
    return [100 * world.hits[r, f"{model}/{short}", task]["value"] for r in REPETITIONS]


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_warehouse_gives_the_same_rows(
    claim_inputs: ReportInputs, warehouse: duckdb.DuckDBPyConnection, name: str
) -> None:
    with Facts(claim_inputs) as facts:
        same_rows(facts.ask(f"paper/{name}", **({"item": "Table 8"} if name == "printed" else {})), warehouse)


def test_all_tables_are_there_in_the_papers_order(tables: dict[str, ReportTable]) -> None:
    assert list(tables) == ANCHORS
    for table in tables.values():
        assert {len(row) for row in table.all_rows} == {len(table.headings)}


@pytest.mark.parametrize("task", SCORED)
def test_zero_shot_recall_is_that_of_the_metrics(tables: dict[str, ReportTable], claim_world: World, task: str) -> None:
    (row,) = (row for row in tables["zero-shot"].rows if row[0].small.startswith(f"{task}, R@{TASKS[task][2]}"))
    headings = [(heading.text, heading.small) for heading in tables["zero-shot"].headings]
    cells = {place: (cell.text, cell.small) for place, cell in zip(headings, row, strict=True)}
    for model in (GENERATIVE, *CONTRASTIVE):
        assert cells["raw", model] == written(own_percent(claim_world, "raw", task, model))
        assert cells["ReAlign", model] == written(own_percent(claim_world, "realign", task, model))
    assert cells["chance", ""] == ("10.0", "")


def test_the_mean_over_the_tasks_is_that_of_each_seed(tables: dict[str, ReportTable], claim_world: World) -> None:
    found = row_of(tables["zero-shot"], "mean over the tasks")["raw", GENERATIVE]
    assert found == written([100 * claim_world.mean_hit(r, "raw") for r in REPETITIONS])


@pytest.mark.parametrize(
    ("task", "query", "candidate"),
    [("t2i", "text", "image"), ("i2t", "image", "text"), ("it2i", "image+text", "image")],
)
def test_the_papers_range_spans_its_models_and_data_sets(
    tables: dict[str, ReportTable], task: str, query: str, candidate: str
) -> None:
    theirs = paper_values().filter(pl.col("dataset").str.ends_with(f" {query}->{candidate}"), item="Table 3")
    (row,) = (row for row in tables["zero-shot"].rows if row[0].small.startswith(f"{task},"))
    contrastive = pl.col("model").is_in(["CLIP", "SigLIP"])
    systems = (contrastive, ~contrastive & (pl.col("setting") == "base"), pl.col("setting") == "ReAlign")
    for cell, system in zip(row[-3:], systems, strict=True):
        values = theirs.filter(system)["value"].to_numpy()
        low, high = (float(bound) for bound in cell.text.split(" to "))
        assert (low, high, cell.small) == (values.min(), values.max(), f"{values.size} values")


def test_the_best_of_a_task_stands_out(tables: dict[str, ReportTable]) -> None:
    for row in tables["zero-shot"].rows:
        own = [cell for cell in row[1:-4] if cell.text != "–"]
        best = max(float(cell.text) for cell in own)
        assert [cell.strong for cell in own] == [float(cell.text) == best for cell in own]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_poolings_are_raw_and_of_all_tokens(tables: dict[str, ReportTable], claim_world: World, pooling: str) -> None:
    row = row_of(tables["poolings"], GENERATIVE, "last token" if pooling == "last" else pooling)
    assert row["R@10", "picture → text, i2t"] == written(own_percent(claim_world, f"{pooling}-all/raw", "i2t"))
    assert row["R@5", "picture + text → picture, it2i"] == written(
        own_percent(claim_world, f"{pooling}-all/raw", "it2i")
    )
    # There is no such task in this data set; its columns hold the paper's numbers.
    assert row["R@5", "picture → picture, no such task here"] == ("–", "")


@pytest.mark.parametrize(
    ("setting", "short"),
    [
        ("raw", "raw"),
        ("PCA", "pca-candidates"),
        ("ZCA", "zca-candidates"),
        ("ReAlign", "realign-b0.1-candidates"),
        ("OAS shrinkage", "oas-candidates"),
        ("ReAlign averaged over layers, beta 0.1", "layer_average-candidates"),
        ("PCA, joint statistics", "pca-joint"),
        ("PCA, rank 4, joint statistics", "pca-joint-r4"),
        ("ReAlign, joint statistics", "realign-b0.1-joint"),
    ],
)
def test_whitenings_are_told_apart(
    tables: dict[str, ReportTable], claim_world: World, setting: str, short: str
) -> None:
    row = row_of(tables["whitening"], GENERATIVE, setting)
    assert row["R@10", "picture → text, i2t"] == written(own_percent(claim_world, f"adaptations/{short}", "i2t"))


def test_removal_stands_beside_the_base(tables: dict[str, ReportTable], claim_world: World) -> None:
    for setting, short in (
        ("base", "raw"),
        ("top-attribution features removed, SAE paper", "removal-paper-attribution"),
        ("top-attribution features removed, SAE centred", "removal-centred-attribution"),
    ):
        row = row_of(tables["removal-recall"], GENERATIVE, setting)
        assert row["R@10", "picture → text, i2t"] == written(own_percent(claim_world, short, "i2t"))


@pytest.mark.parametrize(
    ("anchor", "item", "setting"),
    [
        ("poolings", "Table 5", "last token"),
        ("whitening", "Table 8", "ZCA"),
        ("removal-recall", "Table 2", "top-attribution concepts removed"),
    ],
)
def test_the_papers_rows_are_as_printed(tables: dict[str, ReportTable], anchor: str, item: str, setting: str) -> None:
    row = row_of(tables[anchor], "Qwen3-VL-8B", setting, paper=True)
    theirs = printed_in(item=item, model="Qwen3-VL-8B", dataset="MSCOCO image->text", setting=setting)
    for k in (1, 5, 10):
        assert float(row[f"R@{k}", "picture → text, i2t"][0]) == theirs[f"R@{k}"]


def test_fine_tuned_models_stand_beside_realign(tables: dict[str, ReportTable], claim_world: World) -> None:
    rows = [[cell.text for cell in row[1:3]] + [row[0].small, row[3].text] for row in tables["fine-tuned"].rows]
    for task in SCORED:
        place = f"{task}, R@{TASKS[task][2]}"
        for model in TUNED:
            assert [model, "fine-tuned", place, written(own_percent(claim_world, "raw", task, model))[0]] in rows
        assert [GENERATIVE, "ReAlign", place, written(own_percent(claim_world, "realign", task))[0]] in rows
    assert len(rows) == 3 * len(SCORED)
    assert len(tables["fine-tuned"].paper_rows) == 12


def test_without_fine_tuned_models_the_papers_rows_stay(claim_run: RunWorld) -> None:
    table = tables_of(replace(claim_run, models=claim_run.models[:2], repetitions=()).told())["fine-tuned"]
    assert table.rows == []
    assert len(table.paper_rows) == 12
    assert "None of this run's models is one" in table.statement


def test_the_model_studied_is_realigned_even_where_it_is_fine_tuned_itself(claim_run: RunWorld) -> None:
    tuned = [
        (replace(models[0], fine_tuned=True), *models[1:]) for models in (claim_run.models, *claim_run.repetitions)
    ]
    inputs = replace(claim_run, models=tuned[0], repetitions=tuple(tuned[1:])).told()
    assert texts(tables_of(inputs)["fine-tuned"]) == texts(tables_of(claim_run.told())["fine-tuned"])


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_overlaps_are_of_every_share_and_reduction(
    tables: dict[str, ReportTable], claim_world: World, reduction: str
) -> None:
    sae_id = f"{GENERATIVE}/paper"
    for share, words in ((0.005, "0.5%"), (0.01, "1.0%"), (0.05, "5.0%")):
        row = row_of(tables["overlaps"], sae_id, words, reduction.removeprefix("bridge_"))
        triples = [claim_world.overlaps[r, sae_id, share, reduction] for r in REPETITIONS]
        assert row["all three", ""] == written(triples, "{:.3f}".format)
        assert row["energy, bridge", ""] == ("0.500", "")
    theirs = printed_in(item="Table 1", model="CLIP")
    row = row_of(tables["overlaps"], "CLIP", paper=True)
    assert float(row["energy, attribution", ""][0]) == theirs["J(energy;attribution)"]
    assert float(row["all three", ""][0]) == theirs["triple_overlap"]


def test_energy_is_held_by_the_first_features_that_reach_it(tables: dict[str, ReportTable], claim_world: World) -> None:
    sae_id = f"{GENERATIVE}/paper"
    row = row_of(tables["energy"], sae_id)
    for level, heading in ((0.5, "50% of the energy"), (0.9, "90% of the energy"), (0.99, "99% of the energy")):
        reached = [
            float(np.mean(np.cumsum(claim_world.features[r, sae_id]["energy"]) < level * energy) + 1 / 30)
            for r in REPETITIONS
            for energy in [claim_world.features[r, sae_id]["energy"].sum()]
        ]
        assert row[heading, ""] == written(reached, "{:.1%}".format)
    assert row_of(tables["energy"], "CLIP", paper=True)["99% of the energy", ""] == ("4.5%", "")


def test_densities_are_shares_by_count_and_by_energy(tables: dict[str, ReportTable], claim_world: World) -> None:
    sae_id = f"{GENERATIVE}/paper"
    row = row_of(tables["densities"], sae_id)
    counts, energies = [], []
    for r in REPETITIONS:
        alive = claim_world.features[r, sae_id].drop_nulls("modality")
        text = alive.filter(pl.col("modality") >= 2 / 3)
        counts.append(text.height / alive.height)
        energies.append(text["energy"].sum() / alive["energy"].sum())
    assert row["texts", "of the features"] == written(counts, "{:.1%}".format)
    assert row["texts", "of the energy"] == written(energies, "{:.1%}".format)


def test_a_third_holds_its_lower_end_and_what_has_no_modality_counts_nowhere(
    claim_run: RunWorld, claim_world: World, tmp_path: Path
) -> None:
    features = claim_world.features[0, f"{GENERATIVE}/paper"].with_columns(sae_id=pl.lit(f"{GENERATIVE}/paper"))
    scores: list[float | None] = [0.0, 1 / 3, 0.5, 2 / 3, 1.0, None]
    few = features.head(6).with_columns(
        rep_id=pl.lit("rep"), energy=pl.Series([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), modality=pl.Series(scores)
    )
    own = claim_run.models[0].saes[0].features
    shutil.copytree(own, tmp_path / "features")
    write_table(tmp_path / "features", "features", few)
    sae = replace(claim_run.models[0].saes[0], features=tmp_path / "features")
    alone = replace(claim_run, models=(replace(claim_run.models[0], saes=(sae,)),), repetitions=())
    with Facts(alone.told()) as facts:
        split = facts.ask("energy_split").rows.row(0, named=True)
        densities = facts.ask("paper/densities").rows
    expected = {"pictures": (1 / 5, 1 / 15), "both": (2 / 5, 5 / 15), "texts": (2 / 5, 9 / 15)}
    for served, name in (("pictures", "image"), ("both", "shared"), ("texts", "text")):
        row = densities.row(by_predicate=pl.col("served") == served, named=True)
        assert (row["count_value"], row["energy_value"]) == pytest.approx(expected[served])
        assert (split[f"{name}_count"], split[f"{name}_energy"]) == pytest.approx(expected[served])


@pytest.mark.parametrize("name", ["composed", "poolings", "whitening"])
def test_the_mean_over_the_tasks_is_of_cut_offs_that_every_task_has(
    claim_run: RunWorld, tmp_path: Path, name: str
) -> None:
    model = claim_run.models[0]
    assert model.grid is not None
    folders = {"retrieval": model.retrieval, "grid": model.grid}
    for stage, folder in folders.items():
        shutil.copytree(folder, tmp_path / stage)
        metrics = pl.read_parquet(folder / "retrieval_metrics.parquet")
        small = (pl.col("task_id") == "t2i") & (pl.col("k") == 10)
        write_table(tmp_path / stage, "retrieval_metrics", metrics.filter(~small))
    changed = replace(model, retrieval=tmp_path / "retrieval", grid=tmp_path / "grid")
    with Facts(replace(claim_run, models=(changed,), repetitions=()).told()) as facts:
        rows = facts.ask(f"paper/{name}").rows
    assert rows.filter(pl.col("task_id").is_null())["k"].unique().sort().to_list() == [1, 5]
    assert set(rows.filter(k=10)["task_id"]) == set(SCORED) - {"t2i"}


def test_costs_are_those_of_fitting_and_applying(tables: dict[str, ReportTable], claim_world: World) -> None:
    row = row_of(tables["cost"], GENERATIVE, "8", "100,000")
    adaptation = sum(claim_world.seconds[name, 100_000, 10] for name in ("fit", "apply"))
    assert row["ReAlign, ms", ""][0] == f"{1000 * adaptation:,.0f}"
    assert row["search, ms", ""][0] == f"{1000 * claim_world.seconds['search', 100_000, 10]:,.0f}"
    theirs = row_of(tables["cost"], "PaliGemma2-3B", paper=True)
    assert [theirs[name, ""][0] for name in ("width", "ReAlign, ms", "search, MiB")] == ["2304", "1,538", "43,577"]


def test_one_seed_has_no_range(claim_run: RunWorld) -> None:
    tables = tables_of(replace(claim_run, repetitions=()).told())
    assert not any(cell.small for row in tables["whitening"].rows for cell in row)
    assert not any("seeds" in table.statement for table in tables.values())


def test_several_seeds_say_how_many(tables: dict[str, ReportTable]) -> None:
    said = "Mean over 2 seeds, with the range that they span."
    assert all(said in table.statement for name, table in tables.items() if name != "cost")


def test_an_analysis_alone_has_no_rows_that_a_sweep_measures(claim_run: RunWorld) -> None:
    plain = tuple(replace(m, grid=None, doses=None, efficiency=None) for m in claim_run.models)
    assert set(ANCHORS) - tables_of(replace(claim_run, models=plain, repetitions=()).told()).keys() == {
        *("poolings", "whitening", "cost")
    }


def test_what_was_not_measured_is_a_dash() -> None:
    assert seeded(None, str).text == seeded({"value": None, "low": None, "high": None}, str).text == "–"
