"""The paper's tables of recall with this run's numbers in their layout, and the paper's own rows below."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.recall import place_of
from pipeline_core.report.tables.table import NOTHING, Cell, Heading, ReportTable, over_seeds, printed, quantity, seeded
from pipeline_core.report.text import in_percent, task_title

CUTOFFS = (1, 5, 10)
"""Those of the paper."""

OF_PAPER = "the paper"
FINE_TUNED = "fine-tuned"
MEAN = "mean over the tasks"

_MEAN_AND_THREE = (None, "i->t", "i->i", "it->i")


@dataclass(frozen=True)
class ByCutoff:
    """A table of models and settings by directions and cut-offs; direction None is the mean over the tasks.

    Attributes:
        anchor: id of its place; what its rows answer is the question of that name below ``sql/paper``.
        item: the paper's table or figure.
        caption: its own.
        directions: in the order of the columns.
        note: how it is to be read.
    """

    anchor: str
    item: str
    caption: str
    directions: tuple[str | None, ...]
    note: str = ""


COMPOSED = ByCutoff("composed", "Figure 1", "Composed queries: recall of raw embeddings, as Figure 1", ("it->i",))
REMOVAL = ByCutoff("removal-recall", "Table 2", "Top-attribution features removed, as Table 2", ("i->t",))
POOLINGS = ByCutoff("poolings", "Table 5", "Poolings, raw embeddings, as Table 5", _MEAN_AND_THREE)
WHITENINGS = ByCutoff(
    "whitening",
    "Table 8",
    "Whitenings and their rivals, as Table 8",
    _MEAN_AND_THREE,
    " By the candidates' statistics, or joint ones of both sides: the paper's PCA compares two different bases, so "
    "that the fair form of it is the joint one.",
)


def zero_shot_table(inputs: ReportInputs, facts: Facts) -> ReportTable:
    """Return Tables 3 and 9: every task, each model raw and with ReAlign, beside the paper's range."""
    answer, ranges = facts.ask("paper/zero_shot"), facts.ask("paper/printed_zero_shot")
    found = {(row["task_id"], row["model"], row["adaptation"]): row for row in answer.rows.iter_rows(named=True)}
    papers = {(row["task_type"], row["system"]): row for row in ranges.rows.iter_rows(named=True)}
    ours = [
        (model.name, adaptation, words)
        for model in inputs.models
        for adaptation, words in (("identity", "raw"), ("realign", "ReAlign"))
        if any(key[1:] == (model.name, adaptation) for key in found)
    ]
    reading = " ReAlign by the candidates' statistics;" if any(name == "realign" for _, name, _ in ours) else ""
    theirs = (("contrastive", "contrastive"), ("base", "MLLMs, raw"), ("ReAlign", "MLLMs, ReAlign"))
    rows = []
    for task_id, task_type, k in _tasks(answer.rows):
        own = {key[1:]: row for key, row in found.items() if key[0] == task_id}
        best = max(row["value"] for row in own.values())
        cells = [
            seeded(row, in_percent, row is not None and row["value"] == best)
            for model, adaptation, _ in ours
            for row in [own.get((model, adaptation))]
        ]
        chance = next(iter(own.values()))["chance"]
        title = Cell(task_title(task_type), f"{task_id}, R@{k}") if task_type else Cell(MEAN)
        rows.append(
            [title, *cells, quantity(chance, in_percent), *(_range(papers.get((task_type, s))) for s, _ in theirs)]
        )
    return ReportTable(
        "zero-shot",
        "Zero-shot recall on every task, as Tables 3 and 9",
        f"Percent, each task at its own cut-off;{reading} the best of this run in bold. "
        f"The paper's columns span its models and data sets of the same direction.{over_seeds(answer)}",
        [
            Heading("task", numeric=False),
            *(Heading(words, model) for model, _, words in ours),
            Heading("chance"),
            *(Heading(words, OF_PAPER) for _, words in theirs),
        ],
        rows,
        (answer, ranges),
    )


def fine_tuned_table(facts: Facts) -> ReportTable:
    """Return Table 4: embedders fine-tuned for retrieval beside ReAlign; the paper's rows alone if there are none."""
    answer, paper = facts.ask("paper/fine_tuned"), facts.ask("paper/printed", item="Table 4")
    tasks = {task: number for number, task in enumerate(_tasks(answer.rows))}
    own = sorted(answer.rows.iter_rows(named=True), key=lambda row: tasks[row["task_id"], row["task_type"], row["k"]])
    rows = [
        [
            Cell(task_title(row["task_type"]), f"{row['task_id']}, R@{row['k']}"),
            Cell(row["model"]),
            Cell(row["setting"]),
            seeded(row, in_percent),
        ]
        for row in own
    ]
    theirs = sorted(paper.rows.iter_rows(named=True), key=lambda row: (place_of(row["task_type"]), row["dataset"]))
    beside = [
        [
            Cell(task_title(row["task_type"]), f"{row['dataset'].split()[0]}, {row['quantity']}"),
            Cell(row["model"], OF_PAPER),
            Cell(row["setting"]),
            _printed(row["value"]),
        ]
        for row in theirs
    ]
    said = over_seeds(answer) if own else " None of this run's models is one: the rows are the paper's."
    return ReportTable(
        FINE_TUNED,
        "Embedders fine-tuned for retrieval beside ReAlign, as Table 4",
        f"Percent. Fine-tuned models as they are, ReAlign on the model studied.{said}",
        [
            Heading("task", numeric=False),
            Heading("model", numeric=False),
            Heading("setting", numeric=False),
            Heading("recall"),
        ],
        rows,
        (answer, paper),
        beside,
    )


def by_cutoff(layout: ByCutoff, inputs: ReportInputs, facts: Facts) -> ReportTable:
    """Return one of the tables by cut-off, the best of each model's settings in bold."""
    answer, paper = facts.ask(f"paper/{layout.anchor}"), facts.ask("paper/printed", item=layout.item)
    wanted = answer.rows.filter(pl.col("task_type").is_in(layout.directions, nulls_equal=True))
    columns = [task for direction in layout.directions for task in _tasks_of(wanted, direction)]
    places = [(task, direction, k) for task, direction in columns for k in CUTOFFS]
    rows = []
    for model in inputs.models:
        own = wanted.filter(model=model.name)
        settings = own["setting"].unique(maintain_order=True)
        found = {(row["setting"], row["task_id"], row["task_type"], row["k"]): row for row in own.iter_rows(named=True)}
        best: dict[tuple[Any, ...], float] = {}
        for (_, *place), row in found.items():
            best[*place] = max(row["value"], best.get((*place,), 0.0))
        rows += [
            [
                Cell(model.name),
                Cell(setting),
                *(
                    seeded(row, in_percent, row is not None and len(settings) > 1 and row["value"] == best[place])
                    for place in places
                    for row in [found.get((setting, *place))]
                ),
            ]
            for setting in settings
        ]
    theirs = {
        (row["model"], row["setting"], row["task_type"], row["k"]): row["value"]
        for row in paper.rows.iter_rows(named=True)
    }
    beside = [
        [
            Cell(model, OF_PAPER),
            Cell(setting),
            *(_printed(theirs.get((model, setting, direction or "", k))) for _, direction, k in places),
        ]
        for model, setting in dict.fromkeys(key[:2] for key in theirs)
    ]
    return ReportTable(
        layout.anchor,
        layout.caption,
        f"Percent; the best of each model's settings in bold.{layout.note}{over_seeds(answer)}",
        [
            Heading("model", numeric=False),
            Heading("setting", numeric=False),
            *(
                Heading(f"R@{k}", f"{task_title(direction)}, {task or 'no such task here'}" if direction else MEAN)
                for task, direction, k in places
            ),
        ],
        rows,
        (answer, paper),
        beside,
    )


def _tasks_of(rows: pl.DataFrame, direction: str | None) -> list[tuple[str | None, str | None]]:
    """Return (task, direction) of each task; a direction without tasks has a column too, for the paper's numbers."""
    found = rows.filter(pl.col("task_type").eq_missing(pl.lit(direction, pl.String)))["task_id"].unique().sort()
    return [(task, direction) for task in found] or [(None, direction)]


def _tasks(rows: pl.DataFrame) -> list[tuple[str | None, str | None, int | None]]:
    """Return (task, direction, cut-off), in the paper's order of directions; the mean over the tasks comes last."""
    found: Iterable[tuple[Any, Any, Any]] = rows.select("task_id", "task_type", "k").unique().iter_rows()
    return sorted(found, key=lambda task: (task[0] is None, place_of(task[1] or ""), task[0] or ""))


def _printed(percentage: float | None) -> Cell:
    """Return a recall of the paper, which prints it in percent; None: it prints none."""
    return Cell(NOTHING) if percentage is None else Cell(printed(percentage), value=percentage / 100)


def _range(row: Mapping[str, Any] | None) -> Cell:
    if row is None:
        return Cell(NOTHING)
    low, high = row["low"], row["high"]
    return Cell(f"{printed(low)} to {printed(high)}", f"{row['n_values']} values", low=low / 100, high=high / 100)
