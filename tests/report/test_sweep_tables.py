"""Tables behind the figures of the sweeps: each number that the SQL gives is in the text to copy, under its names."""

import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline_core.report import copying
from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.tables import analysis_tables
from tests.report.sweep_artifacts import BETAS, DEPTH, MASKS, POOLINGS, RECIPES

ANCHORS = {
    "layers": "layers",
    "poolings-masks": "poolings",
    "betas": "betas",
    "dose": "dose",
    "attention": "attention_mass",
    "quadrants": "quadrants",
}
"""Anchor of each table: its question."""


@pytest.fixture(scope="module")
def copied(swept: ReportInputs) -> dict[str, pl.DataFrame]:
    with Facts(swept) as facts:
        tables = analysis_tables(swept, facts)
    return {
        table.anchor: pl.read_csv(io.StringIO(copying.csv(table)), infer_schema_length=None)
        for table in tables
        if table.anchor in ANCHORS
    }


@pytest.fixture(scope="module")
def asked(swept: ReportInputs) -> dict[str, pl.DataFrame]:
    with Facts(swept) as facts:
        return {anchor: facts.ask(f"sweeps/{name}").rows for anchor, name in ANCHORS.items()}


def numbers(rows: pl.DataFrame, *columns: str) -> list[float]:
    return sorted(value for name in columns for value in in_order(rows[name].drop_nulls()))


def in_order(values: pl.Series) -> list[float]:
    return values.cast(pl.Float64).to_list()


def nearly(values: list[float]) -> Any:
    """Compare to the digits that are written."""
    return pytest.approx(values, rel=1e-9)


def under(copied: pl.DataFrame, ending: str) -> list[str]:
    return [name for name in copied.columns if name.endswith(ending) and copied[name].dtype == pl.Float64]


@pytest.mark.parametrize("anchor", ["layers", "betas", "dose"])
def test_every_number_of_the_sql_is_there_once(
    copied: dict[str, pl.DataFrame], asked: dict[str, pl.DataFrame], anchor: str
) -> None:
    table, rows = copied[anchor], asked[anchor]
    lows, highs = under(table, " low"), under(table, " high")
    assert numbers(table, *lows) == nearly(numbers(rows, "low"))
    assert numbers(table, *highs) == nearly(numbers(rows, "high"))
    assert numbers(table, *(name.removesuffix(" low") for name in lows)) == nearly(numbers(rows, "value"))


def test_a_task_of_a_pooling_has_its_interval_and_a_mean_its_range(
    copied: dict[str, pl.DataFrame], asked: dict[str, pl.DataFrame]
) -> None:
    table, rows = copied["poolings-masks"], asked["poolings-masks"]
    means, tasks = rows.filter(pl.col("task_id").is_null()), rows.filter(pl.col("task_id").is_not_null())
    lows = under(table, " low")
    of_means = [name for name in lows if name.startswith("Mean")]
    assert len(of_means) == 3
    assert numbers(table, *(name.removesuffix(" low") for name in lows)) == nearly(numbers(rows, "value"))
    assert numbers(table, *of_means) == nearly(numbers(means, "low"))
    assert numbers(table, *(set(lows) - set(of_means))) == nearly(numbers(tasks, "interval_low"))
    assert table.height == rows["adaptation"].n_unique() * len(POOLINGS) * len(MASKS)


def test_a_number_stands_in_its_own_row_and_column(
    copied: dict[str, pl.DataFrame], asked: dict[str, pl.DataFrame]
) -> None:
    (task,) = asked["layers"].filter(task_type="t->i")["task_id"].unique()
    (column,) = (name for name in copied["layers"].columns if name.endswith(f"({task}, hit@5)"))
    own = copied["layers"].filter(pl.col("statistics of") == "support", adaptation="ReAlign").sort("layer")
    theirs = asked["layers"].filter(task_id=task, adaptation="realign", fit_on="support").sort("layer")
    assert own["layer"].to_list() == list(range(DEPTH + 1))
    assert in_order(own[column]) == nearly(in_order(theirs["value"]))
    composed = asked["poolings-masks"].filter(
        pl.col("task_id").is_null() & pl.col("composed"), pooling="mean", mask="no_image", adaptation="identity"
    )
    (found,) = (
        copied["poolings-masks"].filter(pooling="mean", tokens="no image", adaptation="raw").iter_rows(named=True)
    )
    (column,) = (name for name in found if name.startswith("Mean over composed") and name.endswith(")"))
    assert [found[column]] == nearly(in_order(composed["value"]))
    model = copied["betas"]["model"][0]
    released = copied["betas"].filter(pl.col("statistics of") == "test queries", model=model, variant="as released")
    assert released["β"].to_list() == list(BETAS)


def test_doses_keep_their_share_rank_or_number(copied: dict[str, pl.DataFrame], asked: dict[str, pl.DataFrame]) -> None:
    for words, sweep in (("share of the features", "share"), ("rank of the subspace", "rank")):
        own = copied["dose"].filter(pl.col("dose is the") == words, removed="attribution")
        theirs = asked["dose"].filter(pl.col("task_type").is_null(), sweep=sweep, selection="attribution")
        assert own["SAE"].unique(maintain_order=True).str.split("/").list.last().to_list() == list(RECIPES)
        assert numbers(own, "dose (share or number)") == nearly(numbers(theirs, "x"))
    mean = copied["dose"].filter(removed="mean")
    assert mean["dose (share or number)"].null_count() == mean.height == len(RECIPES)


def test_attention_has_a_column_for_each_role(copied: dict[str, pl.DataFrame], asked: dict[str, pl.DataFrame]) -> None:
    roles = ["image", "prompt", "template", "text"]
    assert numbers(copied["attention"], *roles) == nearly(numbers(asked["attention"], "mass"))
    sums = copied["attention"].select(pl.sum_horizontal(roles)).to_series()
    assert sums.to_list() == pytest.approx([1.0] * copied["attention"].height)


def test_quadrants_have_the_control_and_the_difference(
    copied: dict[str, pl.DataFrame], asked: dict[str, pl.DataFrame]
) -> None:
    table, rows = copied["quadrants"], asked["quadrants"]
    names = {"on the art": "mass", "shuffled pictures": "control", "samples": "n_samples", "layer": "layer"}
    found = "difference (95% interval)"
    names |= {found: "excess", f"{found} low": "low", f"{found} high": "high"}
    for column, name in names.items():
        assert table[column].null_count() == rows[name].null_count()
        assert in_order(table[column].drop_nulls()) == nearly(in_order(rows[name].drop_nulls()))


def test_the_page_folds_them_and_writes_them_beside(swept_page: Path) -> None:
    text = swept_page.read_text(encoding="utf-8")
    folded = text[text.index("All numbers of the analysis") :]
    for anchor in ANCHORS:
        assert f'id="table-{anchor}"' in folded
        for ending in copying.FORMATS:
            assert (swept_page.parent / "tables" / f"{anchor}.{ending}").is_file()


def test_an_analysis_alone_has_none(inputs: ReportInputs) -> None:
    with Facts(inputs) as facts:
        assert not ANCHORS.keys() & {table.anchor for table in analysis_tables(inputs, facts)}
