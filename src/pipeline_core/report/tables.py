"""The report's tables: rows of SQL answers put into cells that a person reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pipeline_core.report.facts import Answer
from pipeline_core.report.inputs import ReportInputs, RunFacts
from pipeline_core.report.recall import RAW, TASK_TYPES, role_of
from pipeline_core.report.text import (
    interval,
    number,
    percent,
    points,
    points_interval,
    probability,
    share_of_tasks,
    task_title,
)

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Cell:
    """What a cell says, a second line in small print, and whether it stands out."""

    text: str
    small: str = ""
    strong: bool = False


@dataclass(frozen=True)
class Heading:
    """A column's heading; numeric columns are set flush right."""

    text: str
    small: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """A table: id of its place, caption, what it shows in one line, headings, rows (the first cell heads its row)."""

    anchor: str
    caption: str
    statement: str
    headings: Sequence[Heading]
    rows: Sequence[Sequence[Cell]]
    answer: Answer | None


def recall_table(inputs: ReportInputs, place: int, answer: Answer, controls: bool) -> Table:
    """Return the hit rates of one model's named systems, tasks as columns.

    Args:
        inputs: the report's inputs.
        place: the model's place.
        answer: of ``recall.sql``.
        controls: show the controls of composed tasks instead of the tasks.
    """
    model = inputs.models[place]
    own = answer.rows.filter((pl.col("model") == model.name) & ((pl.col("control") != "none") == controls))
    tasks = sorted(own.unique("task_id").iter_rows(named=True), key=lambda t: (_order(t["task_type"]), t["task_id"]))
    found = {(row["system_id"], row["task_id"]): row for row in own.iter_rows(named=True)}
    systems = own.unique("system_id", maintain_order=True).sort("shuffled", "system_id").iter_rows(named=True)
    ordered = sorted(systems, key=lambda row: (role_of(row) != RAW, row["shuffled"], row["adaptation"] == "removal"))
    best = {task["task_id"]: own.filter(pl.col("task_id") == task["task_id"])["value"].max() for task in tasks}
    rows = [
        [
            Cell(system["label"]),
            *(
                Cell(percent(row["value"]), interval(row["low"], row["high"]), row["value"] == best[row["task_id"]])
                if (row := found.get((system["system_id"], task["task_id"])))
                else Cell("–")
                for task in tasks
            ),
        ]
        for system in ordered
    ]
    rows += [
        [Cell("chance"), *(Cell(percent(task["chance"])) for task in tasks)],
        [Cell("queries / candidates"), *(Cell(f"{t['n_queries']:,} / {t['n_candidates']:,}") for t in tasks)],
    ]
    kind = "controls: the composed query's picture or text alone" if controls else "all tasks"
    return Table(
        f"recall-{place}{'-controls' if controls else ''}",
        f"Hit rate, {model.name}, {kind}",
        "Percent of queries with a relevant candidate among the first k (the literature's Recall@k), test split; below "
        "each its 95% bootstrap interval; the best of a column in bold.",
        [
            Heading("system", numeric=False),
            *(Heading(f"{task_title(t['task_type'])} @{t['k']}", t["task_id"]) for t in tasks),
        ],
        rows,
        answer,
    )


def cutoff_table(answer: Answer) -> Table:
    """Return the hit rates of the story's systems at every cut-off (``cutoffs.sql``)."""
    ks = answer.rows["k"].unique().sort().to_list()
    rows = []
    for _, scores in answer.rows.group_by(["task_id", "system_id"], maintain_order=True):
        first = scores.row(0, named=True)
        at = {row["k"]: row for row in scores.iter_rows(named=True)}
        if role_of(first) is not None:
            cells = [
                Cell(percent(at[k]["value"]), interval(at[k]["low"], at[k]["high"])) if k in at else Cell("–")
                for k in ks
            ]
            rows.append(
                [Cell(task_title(first["task_type"]), first["task_id"]), Cell(first["label"], first["model"]), *cells]
            )
    return Table(
        "cutoffs",
        "Hit rate at every cut-off",
        "Percent of queries with a relevant candidate among the first k, test split, with 95% intervals.",
        [Heading("task", numeric=False), Heading("system", numeric=False), *(Heading(f"@{k}") for k in ks)],
        rows,
        answer,
    )


def comparison_table(answer: Answer) -> Table:
    """Return the paired comparisons (``comparisons.sql``)."""
    significant = answer.rows.filter(pl.col("q") < SIGNIFICANT).height
    rows = [
        [
            Cell(row["label"], f"{row['model']}, against {row['baseline_label']}"),
            Cell(task_title(row["task_type"]), row["task_id"]),
            Cell(points(row["delta"]), points_interval(row["low"], row["high"]), row["q"] < SIGNIFICANT),
            Cell(probability(row["p"])),
            Cell(probability(row["q"])),
        ]
        for row in answer.rows.iter_rows(named=True)
    ]
    return Table(
        "comparisons",
        "Paired comparisons of systems",
        f"Differences of hit rates in percentage points; {significant} of {len(rows)} have q < {SIGNIFICANT} (bold).",
        [
            Heading("system", numeric=False),
            Heading("task", numeric=False),
            Heading("difference", "95% interval"),
            Heading("p", "permutation"),
            Heading("q", "corrected"),
        ],
        rows,
        answer,
    )


def removal_table(answer: Answer) -> Table:
    """Return the effects of removing feature sets, with their controls (``removal_sets.sql``)."""
    own = answer.rows.filter(pl.col("selection") == "attribution")
    raised = own.filter((pl.col("delta") > 0) & (pl.col("q") < SIGNIFICANT)).height
    rows = [
        [
            Cell(row["label"] or row["selection"], row["sae_id"]),
            Cell(str(row["rank"]) if row["rank"] is not None else "–"),
            Cell(task_title(row["task_type"]), row["task_id"]),
            Cell(points(row["delta"]), points_interval(row["low"], row["high"]), row["q"] < SIGNIFICANT),
            Cell(probability(row["p"])),
            Cell(probability(row["q"])),
        ]
        for row in answer.rows.iter_rows(named=True)
    ]
    return Table(
        "removal",
        "Removal of features, and controls of the same rank",
        "Change of hit rate, in points, when a subspace is projected out of raw embeddings; removing the top "
        f"features by attribution raises it on {share_of_tasks(raised, own.height)} with q < {SIGNIFICANT} (bold).",
        [
            Heading("removed", numeric=False),
            Heading("rank"),
            Heading("task", numeric=False),
            Heading("change", "95% interval"),
            Heading("p", "permutation"),
            Heading("q", "corrected"),
        ],
        rows,
        answer,
    )


def overlap_table(answer: Answer) -> Table:
    """Return the overlaps of the top sets (``overlaps.sql``)."""
    return Table(
        "overlaps",
        "Overlap of the top features by energy, attribution and bridge",
        "Jaccard index of the sets, 0 to 1, for each way to reduce the bridge matrix to one number a feature.",
        [
            Heading("SAE", numeric=False),
            Heading("share", "features a set"),
            Heading("bridge", numeric=False),
            Heading("energy, attribution"),
            Heading("energy, bridge"),
            Heading("attribution, bridge"),
            Heading("all three"),
        ],
        [
            [
                Cell(row["sae_id"]),
                Cell(percent(row["share"]), f"{row['set_size']:,}"),
                Cell(row["bridge_reduction"].removeprefix("bridge_")),
                *(
                    Cell(f"{row[c]:.2f}")
                    for c in ("energy_attribution", "energy_bridge", "attribution_bridge", "triple")
                ),
            ]
            for row in answer.rows.iter_rows(named=True)
        ],
        answer,
    )


def reconstruction_table(answer: Answer) -> Table:
    """Return how well the SAEs reconstruct (``reconstruction.sql``)."""
    return Table(
        "reconstruction",
        "Sparse autoencoders: reconstruction",
        "Fraction of variance unexplained (FVU; 0 is perfect, 1 is no better than the mean vector) on the embeddings, "
        "beside the last step of training: a token-trained SAE meets pooled vectors only here.",
        [
            Heading("SAE", numeric=False),
            Heading("embeddings", numeric=False),
            Heading("number"),
            Heading("FVU"),
            Heading("FVU in training"),
            Heading("cosine"),
            Heading("active features"),
            Heading("dead features"),
        ],
        [
            [
                Cell(row["sae_id"]),
                Cell(row["modality"].replace("image_text", "picture + text").replace("image", "picture")),
                Cell(f"{row['n_vectors']:,}"),
                Cell(number(row["fvu"])),
                Cell(number(row["training_fvu"]) if row["training_fvu"] is not None else "–"),
                Cell(f"{row['cosine']:.3f}"),
                Cell(f"{row['l0']:.1f}"),
                Cell(percent(row["dead_share"]) if row["dead_share"] is not None else "–"),
            ]
            for row in answer.rows.iter_rows(named=True)
        ],
        answer,
    )


def index_table(answer: Answer) -> Table:
    """Return the index's recall against exact search (``index_recall.sql``)."""
    worst = answer.rows["recall"].min()
    least = f" The least is {percent(float(worst))}." if isinstance(worst, float) else ""
    return Table(
        "index",
        "Vector index against exact search",
        f"Share of the exact first k that the index returned.{least}",
        [
            Heading("embeddings", numeric=False),
            Heading("task", numeric=False),
            Heading("index", numeric=False),
            Heading("k"),
            Heading("recall"),
            Heading("queries"),
        ],
        [
            [
                Cell(row["adaptation"], row["model"]),
                Cell(row["task_id"]),
                Cell(row["kind"]),
                Cell(str(row["k"])),
                Cell(percent(row["recall"])),
                Cell(f"{row['n_queries']:,}"),
            ]
            for row in answer.rows.iter_rows(named=True)
        ],
        answer,
    )


def contract_table(answer: Answer) -> Table:
    """Return the outcome of the data contracts by table (``contracts.sql``)."""
    held, total = int(answer.rows["n_held"].sum()), int(answer.rows["n_expectations"].sum())
    return Table(
        "contracts",
        "Data contracts",
        f"{held:,} of {total:,} expectations held; a critical one that fails publishes nothing.",
        [Heading("table", numeric=False), Heading("expectations"), Heading("held"), Heading("failed", numeric=False)],
        [
            [
                Cell(row["table_name"]),
                Cell(str(row["n_expectations"])),
                Cell(str(row["n_held"])),
                Cell(row["failed"] or "none"),
            ]
            for row in answer.rows.iter_rows(named=True)
        ],
        answer,
    )


def stage_table(run: RunFacts) -> Table:
    """Return the stages of the run."""
    slowest = max((s for s in run.stages if s.seconds is not None), key=lambda s: s.seconds or 0.0, default=None)
    statement = f"The longest was {slowest.name}, {slowest.seconds:.1f} s." if slowest else "No times were recorded."
    return Table(
        "stages",
        "Stages",
        f"Seconds that each artifact took to build, in whichever run built it. {statement}",
        [Heading("stage", numeric=False), Heading("seconds"), Heading("artifact", numeric=False)],
        [
            [Cell(fact.name), Cell(f"{fact.seconds:.1f}" if fact.seconds is not None else "–"), Cell(fact.fingerprint)]
            for fact in run.stages
        ],
        None,
    )


def _order(task_type: str) -> int:
    return TASK_TYPES.index(task_type) if task_type in TASK_TYPES else len(TASK_TYPES)
