"""Tables of the analysis itself: hit rates, comparisons and removals, with their intervals and tests."""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from pipeline_core.report.claim_rules import SIGNIFICANT
from pipeline_core.report.facts import Answer
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.recall import RAW, place_of, role_of
from pipeline_core.report.tables.table import NOTHING, Cell, Heading, ReportTable, bounded, count, listed, quantity
from pipeline_core.report.text import (
    interval,
    percent,
    points,
    points_interval,
    probability,
    share_of_tasks,
    task_title,
)


def recall_table(inputs: ReportInputs, place: int, answer: Answer, controls: bool) -> ReportTable:
    """Return the hit rates of one model's named systems, tasks as columns.

    Args:
        inputs: the report's inputs.
        place: the model's place.
        answer: of ``recall.sql``.
        controls: show the controls of composed tasks instead of the tasks.
    """
    model = inputs.models[place]
    own = answer.rows.filter((pl.col("model") == model.name) & ((pl.col("control") != "none") == controls))
    tasks = sorted(own.unique("task_id").iter_rows(named=True), key=lambda t: (place_of(t["task_type"]), t["task_id"]))
    found = {(row["system_id"], row["task_id"]): row for row in own.iter_rows(named=True)}
    systems = own.unique("system_id", maintain_order=True).sort("shuffled", "system_id").iter_rows(named=True)
    ordered = sorted(systems, key=lambda row: (role_of(row) != RAW, row["shuffled"], row["selection"] is not None))
    best = {task["task_id"]: own.filter(pl.col("task_id") == task["task_id"])["value"].max() for task in tasks}
    rows = [
        [
            Cell(system["label"]),
            *(
                bounded(row["value"], row["low"], row["high"], percent, interval, row["value"] == best[row["task_id"]])
                if (row := found.get((system["system_id"], task["task_id"])))
                else Cell(NOTHING)
                for task in tasks
            ),
        ]
        for system in ordered
    ]
    rows += [
        [Cell("chance"), *(quantity(task["chance"], percent) for task in tasks)],
        [Cell("queries"), *(count(task["n_queries"]) for task in tasks)],
        [Cell("candidates"), *(count(task["n_candidates"]) for task in tasks)],
    ]
    kind = "controls: the composed query's picture or text alone" if controls else "all tasks"
    return ReportTable(
        f"recall-{place}{'-controls' if controls else ''}",
        f"Hit rate, {model.name}, {kind}",
        "Percent of queries with a relevant candidate among the first k (the literature's Recall@k), test split; below "
        "each its 95% bootstrap interval; the best of a column in bold.",
        [
            Heading("system", numeric=False),
            *(Heading(f"{task_title(t['task_type'])} @{t['k']}", t["task_id"]) for t in tasks),
        ],
        rows,
        (answer,),
    )


def cutoff_table(answer: Answer) -> ReportTable:
    """Return the hit rates of the story's systems at every cut-off (``cutoffs.sql``)."""
    ks = answer.rows["k"].unique().sort().to_list()
    rows = []
    for _, scores in answer.rows.group_by(["task_id", "system_id"], maintain_order=True):
        first = scores.row(0, named=True)
        at = {row["k"]: row for row in scores.iter_rows(named=True)}
        if role_of(first) is not None:
            cells = [
                bounded(row["value"], row["low"], row["high"], percent, interval)
                if (row := at.get(k))
                else Cell(NOTHING)
                for k in ks
            ]
            rows.append(
                [Cell(task_title(first["task_type"]), first["task_id"]), Cell(first["label"], first["model"]), *cells]
            )
    return ReportTable(
        "cutoffs",
        "Hit rate at every cut-off",
        "Percent of queries with a relevant candidate among the first k, test split, with 95% intervals.",
        [Heading("task", numeric=False), Heading("system", numeric=False), *(Heading(f"@{k}") for k in ks)],
        rows,
        (answer,),
    )


def comparison_table(answer: Answer) -> ReportTable:
    """Return the paired comparisons (``comparisons.sql``)."""
    significant = answer.rows.filter(pl.col("q") < SIGNIFICANT).height
    return listed(
        "comparisons",
        "Paired comparisons of systems",
        f"Differences of hit rates in percentage points; {significant} of {answer.rows.height} have q < {SIGNIFICANT} "
        "(bold).",
        answer,
        {
            Heading("system", numeric=False): lambda row: Cell(
                row["label"], f"{row['model']}, against {row['baseline_label']}"
            ),
            **_tested("difference"),
        },
    )


def removal_table(answer: Answer) -> ReportTable:
    """Return the effects of removing feature sets, with their controls (``removal_sets.sql``)."""
    own = answer.rows.filter(pl.col("selection") == "attribution")
    raised = own.filter((pl.col("delta") > 0) & (pl.col("q") < SIGNIFICANT)).height
    return listed(
        "removal",
        "Removal of features, and controls of the same rank",
        "Change of hit rate, in points, when a subspace is projected out of raw embeddings; removing the top "
        f"features by attribution raises it on {share_of_tasks(raised, own.height)} with q < {SIGNIFICANT} (bold).",
        answer,
        {
            Heading("removed", numeric=False): lambda row: Cell(row["label"] or row["selection"], row["sae_id"]),
            Heading("rank"): lambda row: count(row["rank"]),
            **_tested("change"),
        },
    )


def _tested(effect: str) -> dict[Heading, Callable[[Mapping[str, Any]], Cell]]:
    """Return the columns of a paired test: its task, the effect with its interval (strong where significant), p, q."""
    return {
        Heading("task", numeric=False): lambda row: Cell(task_title(row["task_type"]), row["task_id"]),
        Heading(effect, "95% interval"): lambda row: bounded(
            row["delta"], row["low"], row["high"], points, points_interval, row["q"] < SIGNIFICANT
        ),
        Heading("p", "permutation"): lambda row: quantity(row["p"], probability),
        Heading("q", "corrected"): lambda row: quantity(row["q"], probability),
    }
