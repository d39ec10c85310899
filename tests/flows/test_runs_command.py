"""Runs are listed, named by any beginning of their ids, compared on the queries that they share, and opened."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline_core.schema.parquet import read_table, write_table
from pipeline_core.store.artifacts import Store
from pipeline_core.store.fingerprint import StageKey
from pipeline_core.store.journal import RunRecord, completed_run, read_runs
from pipeline_core.warehouse.build import build_warehouse
from pipeline_core.warehouse.changes import changed, in_short
from pipeline_core.warehouse.comparing import SCORES
from pipeline_core.warehouse.query import query
from tests.flows.test_cli import answer, refused

MODEL = "reference-contrastive"
LOWER = f"{MODEL}/realign"
T2I = f"latest.retrieval_ranks where system_id = '{LOWER}' and task_id = 't2i' and split = 'test'"


def again(root: Path, record: RunRecord, **changes: object) -> RunRecord:
    """Journal a run like another, a minute later."""
    run_id = f"2999{len(read_runs(root)):04d}T000000-abcdef"
    later = record.started + timedelta(minutes=len(read_runs(root)))
    copied = record.model_copy(update={"run_id": run_id, "started": later, "ended": later, **changes})
    (root / "runs" / f"{run_id}.json").write_text(copied.model_dump_json())
    return copied


@pytest.fixture(scope="module")
def store(inline_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a second run, of another beta, whose ReAlign finds answers three ranks lower; a third failed."""
    root = Path(shutil.copytree(inline_store, tmp_path_factory.mktemp("compared") / "store"))
    first = completed_run(root)
    (retrieval,) = (used for used in first.artifacts if used.stage == "retrieval")
    found = Store(root).find("retrieval", retrieval.fingerprint).folder

    def lowered(folder: Path) -> None:
        shutil.copytree(found, folder, dirs_exist_ok=True)
        ranks, rank = read_table(found, "retrieval_ranks"), pl.col("first_relevant_rank")
        changed_ones = (pl.col("system_id") == LOWER) & (pl.col("task_id") == "t2i")
        write_table(folder, "retrieval_ranks", ranks.with_columns(pl.when(changed_ones).then(rank + 3).otherwise(rank)))

    artifact, _ = Store(root).materialize(StageKey("retrieval", 1, {"lowered": True}), lowered)
    other = retrieval.model_copy(update={"fingerprint": artifact.fingerprint, "cached": False})
    used = [other if one.stage == "retrieval" else one.model_copy(update={"cached": True}) for one in first.artifacts]
    adaptations = first.config["adaptations"] | {"realign": first.config["adaptations"]["realign"] | {"beta": 0.7}}
    config = first.config | {"adaptations": adaptations, "scoring": first.config["scoring"] | {"seed": 5}}
    again(root, again(root, first, config=config, artifacts=tuple(used)), state="failed")
    build_warehouse(root)
    return root


def test_the_newest_run_is_told_first_with_what_changed(store: Path) -> None:
    failed, lowered, first = json.loads(answer("runs", "--json", store=store))
    assert (first["changed"], first["models"], first["data"]) == ("", MODEL, "folder shared-pictures")
    assert lowered["changed"] == "adaptations.realign.beta=0.7, scoring.seed=5"
    assert (failed["changed"], failed["outcome"]) == ("nothing", "failed, 1 built")
    assert first["outcome"].startswith("completed in ")
    shown = answer("runs", "--last", "1", store=store)
    assert failed["run"] in shown
    assert lowered["run"] not in shown


def test_a_store_without_runs_says_so(tmp_path: Path) -> None:
    assert "lens run makes one" in answer("runs", store=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("report", "--run", "29990001T9"), "no run '29990001T9'; nearest: 29990001T000000-abcdef, "),
        (("report", "--run", "2999"), "2 runs begin with '2999'; write more of the id"),
        (("report", "--run", "latest~5"), "no run 'latest~5'; the first that completed is latest~1"),
        (("compare", "latest", "29990002"), "the run 29990002T000000-abcdef is failed; name one that completed"),
        (("features", "--run", "nope"), "no run 'nope'"),
        (("sql", "select 1", "--run", "nope"), "no run 'nope'"),
        (("search", "x", "--run", "nope"), "no run 'nope'"),
    ],
)
def test_a_run_that_is_not_there_is_told_with_the_nearest(store: Path, arguments: tuple[str, ...], words: str) -> None:
    assert words in refused(*arguments, store=store)


def test_a_run_is_named_by_any_beginning_of_its_id(store: Path) -> None:
    first = completed_run(store, "latest~1").run_id
    for name in (first, first[:10], "latest~1"):
        assert answer("sql", "select run_id from latest_run", "--csv", "--run", name, store=store).split()[1] == first
    assert completed_run(store).run_id.startswith("29990001")


def test_what_the_views_show_is_of_the_run_that_is_named(store: Path) -> None:
    asked = f"select avg(first_relevant_rank) r from {T2I}"
    latest, first = (
        json.loads(answer("sql", asked, "--json", "--run", name, store=store))[0]["r"]
        for name in ("latest", "latest~1")
    )
    assert latest == pytest.approx(first + 3)


def test_only_what_differs_is_tested_and_by_query(store: Path) -> None:
    told = json.loads(answer("compare", "latest~1", "latest", "--json", store=store))
    assert [(row["field"], row["a"], row["b"]) for row in told["config"]] == [
        ("adaptations.realign.beta", 0.1, 0.7),
        ("scoring.seed", 0, 5),
    ]
    tasks = {row["task_id"]: row for row in told["differences"]}
    assert {row["system"] for row in told["differences"]} == {"ReAlign"}
    # The same on every query: what was never met in so few groups may yet be met, to either side alike.
    assert tasks["i2t"]["delta"] == 0
    assert tasks["i2t"]["low"] == -tasks["i2t"]["high"] < 0
    ranks = query(store, f"select first_relevant_rank from {T2I}", run_id=completed_run(store, "latest~1").run_id).rows
    before = np.array([rank for (rank,) in ranks])
    expected = np.mean(before + 3 <= tasks["t2i"]["k"]) - np.mean(before <= tasks["t2i"]["k"])
    assert tasks["t2i"]["delta"] == pytest.approx(expected)
    assert tasks["t2i"]["n_queries"] == len(before)
    assert tasks["t2i"]["low"] <= expected <= tasks["t2i"]["high"]
    assert "raw" in told["same"][MODEL]
    assert {row["run"] for row in told["features"]} == {"A", "B"}


def test_reciprocal_ranks_are_compared_too(store: Path) -> None:
    told = json.loads(answer("compare", "latest~1", "latest", "--metric", "mrr", "--json", store=store))
    (t2i,) = (row for row in told["differences"] if row["task_id"] == "t2i")
    (stored,) = query(
        store, f"select value from {T2I.replace('ranks', 'metrics')} and metric = 'mrr' and k = {t2i['k']}"
    ).rows
    assert t2i["a"] == pytest.approx(stored[0])
    assert t2i["b"] < t2i["a"]


def test_queries_are_grouped_as_the_run_grouped_them(store: Path) -> None:
    text = SCORES.read_text()
    values = {"a": "latest", "b": "latest", "model_a": MODEL, "model_b": MODEL, "metric": "hit_rate"}
    run_id = completed_run(store).run_id
    counted = f"SELECT task_id, count(*), count(DISTINCT family) FROM ({text}) WHERE label = 'raw' GROUP BY ALL"
    found = query(store, counted, values | {"a": run_id, "b": run_id}).rows
    stored = query(
        store,
        "SELECT DISTINCT task_id, n_queries, n_groups FROM latest.retrieval_metrics JOIN latest.tasks USING (task_id) "
        "WHERE split = 'test' AND tasks.control = 'none'",
    ).rows
    assert set(found) == set(stored)


def test_a_comparison_is_shown_in_three_parts(store: Path) -> None:
    shown = answer("compare", "latest~1", "latest", store=store)
    assert "A is " in shown
    assert "│ adaptations.realign.beta │ 0.1 │ 0.7 │" in shown
    assert "hit_rate at each task's cut-off k, paired by query; q over all" in shown
    assert f"  {MODEL}: raw; " in shown
    assert "always_on" in shown
    assert "Their configs are the same" in answer("compare", "latest", "latest", store=store)


def test_the_report_is_opened_where_there_is_a_browser(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = answer("report", "--run", "latest~1", store=store).strip()
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    monkeypatch.setattr("webbrowser._tryorder", None)
    assert answer("open", "--run", "latest~1", store=store).strip() == page
    assert (tmp_path / "opened").read_text().strip() == Path(page).as_uri()
    monkeypatch.setattr("webbrowser._tryorder", [])
    assert answer("open", store=store).splitlines()[1].startswith("There is no browser here")


def test_changes_are_told_by_field() -> None:
    now = {"a": {"b": 1, "c": [1, {"d": 2}]}, "e": None, "new": 3}
    before = {"a": {"b": 1, "c": [1, {"d": 3}]}, "e": None, "gone": 4}
    changes = list(changed(now, before))
    assert changes == [("a.c.1.d", 3, 2), ("new", "–", 3), ("gone", 4, "–")]
    assert in_short([*changes, ("f", 0, 1)]) == ["a.c.1.d=2", "new=3", "1 more"]
