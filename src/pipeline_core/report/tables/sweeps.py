"""The numbers that the figures of the sweeps draw: by layer, pooling, mask, shrinkage, dose of removal; attention."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline_core.report import axes
from pipeline_core.report.facts import Answer, Facts
from pipeline_core.report.figures import facets
from pipeline_core.report.figures._attention import SOURCES
from pipeline_core.report.figures.poolings import MASKS
from pipeline_core.report.figures.removal import SELECTIONS
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.tables.table import (
    NOTHING,
    Cell,
    Heading,
    ReportTable,
    bounded,
    count,
    modality_words,
    quantity,
    seeded,
)
from pipeline_core.report.text import in_percent, interval, percent, points, points_interval, task_title

_Row = Mapping[str, Any]

_SEEDS = "mean over the seeds, with the range that they span where they differ"
_VARIANTS = {"text": "the paper's equations", "code": "as released"}
_DOSES = {"share": "share of the features", "rank": "rank of the subspace", "cumulative": "number of features"}
_SELECTIONS = {selection: words for selection, (words, _) in SELECTIONS.items()}


@dataclass(frozen=True)
class _Key:
    """A column that tells rows apart: its name in the answer, its heading, and how its values are written."""

    name: str
    heading: Heading
    write: Callable[[Any], Cell]


@dataclass(frozen=True)
class _Column:
    """A column of measurements: its heading, the rows that it shows, and how one is written (None: there is none)."""

    heading: Heading
    rows: pl.DataFrame
    write: Callable[[_Row | None], Cell]


def layer_table(inputs: ReportInputs, facts: Facts) -> ReportTable:
    """Return Figure 5's numbers: recall by layer and adaptation (``sweeps/layers.sql``)."""
    answer = facts.ask("sweeps/layers")
    rows = _of_models(inputs, answer)
    keys = (_MODEL, _words("method", {}, "adaptation"), _FITTED_ON, _LAYER)
    return _table(
        "layers",
        "Recall by layer, as Figure 5",
        f"Percent, mean over the tokens of each layer, of an embedder its last: {_SEEDS}.",
        answer,
        rows,
        keys,
        _by_task(rows),
    )


def pooling_table(inputs: ReportInputs, facts: Facts) -> ReportTable:
    """Return Figure 4's numbers: recall by pooling and mask (``sweeps/poolings.sql``)."""
    answer = facts.ask("sweeps/poolings")
    rows = _of_models(inputs, answer)
    keys = (_MODEL, _words("method", {}, "adaptation"), _words("pooling", {}), _words("mask", MASKS, "tokens"))
    of_means = pl.col("task_id").is_null()
    means = [
        _Column(
            Heading(words, "hit rate at each task's own cut-off"), rows.filter(of_means, composed=composed), _recall
        )
        for composed, words in ((True, "Mean over composed queries"), (False, "Mean over the other tasks"))
    ]
    overall, *tasks = _by_task(rows.filter(~of_means | pl.col("composed").is_null()), _pooled_recall)
    return _table(
        "poolings-masks",
        "Poolings and masks, as Figure 4",
        f"Percent, at the analysis layer. Means over tasks: {_SEEDS}; tasks: with their 95% intervals.",
        answer,
        rows,
        keys,
        [overall, *means, *tasks],
    )


def beta_table(inputs: ReportInputs, facts: Facts) -> ReportTable:
    """Return Figure 6's numbers: recall of ReAlign by shrinkage (``sweeps/betas.sql``)."""
    answer = facts.ask("sweeps/betas")
    rows = _of_models(inputs, answer)
    beta = _Key("beta", Heading("β"), lambda value: quantity(value, "{:g}".format))
    return _table(
        "betas",
        "Recall of ReAlign by shrinkage, as Figure 6",
        f"Percent: {_SEEDS}.",
        answer,
        rows,
        (_MODEL, _words("variant", _VARIANTS), _FITTED_ON, beta),
        _by_task(rows),
    )


def dose_table(inputs: ReportInputs, facts: Facts) -> ReportTable:
    """Return the numbers of the dose response: change of recall by what is removed (``sweeps/dose.sql``)."""
    answer = facts.ask("sweeps/dose")
    rows = _ordered(answer.rows, "sae_id", inputs.sae_ids)
    keys = (
        _words("sae_id", {}, "SAE"),
        _words("selection", _SELECTIONS, "removed"),
        _words("sweep", _DOSES, "dose is the"),
        _Key("x", Heading("dose", "share or number"), lambda x: quantity(x, _dose)),
    )
    columns = [
        _Column(
            Heading(task_title(task_type) if task_type else "mean over the tasks", "change"),
            rows.filter(pl.col("task_type").eq_missing(pl.lit(task_type, pl.String))),
            lambda row: seeded(row, points),
        )
        for task_type in (None, "t->i", "i->t")
    ]
    return _table(
        "dose",
        "What removing features does, by dose",
        "Change of the hit rate in percentage points, against raw: mean over draws and seeds, with the range that they "
        "span where they differ.",
        answer,
        rows,
        keys,
        columns,
    )


def attention_table(inputs: ReportInputs, facts: Facts) -> ReportTable:
    """Return attention mass by role and layer (``sweeps/attention_mass.sql``)."""
    answer = facts.ask("sweeps/attention_mass")
    rows = _of_models(inputs, answer)
    modality = _Key("modality", Heading("sample", numeric=False), lambda name: Cell(modality_words(name)))
    roles = [
        _Column(Heading(role), rows.filter(role=role), _number("mass", percent))
        for role in rows["role"].unique().sort()
    ]
    return _table(
        "attention",
        "Where attention goes, layer by layer",
        "Share of the attention of a layer that goes to tokens of each role, mean over heads and samples.",
        answer,
        rows,
        (_MODEL, modality, _SOURCE, _LAYER),
        [*roles, _Column(Heading("samples"), rows, _number("n_samples", str))],
    )


def quadrant_table(inputs: ReportInputs, facts: Facts) -> ReportTable:
    """Return attention to art in a known quadrant, beside its control (``sweeps/quadrants.sql``)."""
    answer = facts.ask("sweeps/quadrants")
    rows = _of_models(inputs, answer)
    return _table(
        "quadrants",
        "Does attention follow the art?",
        "Share of the attention to image tokens that falls on the quadrant with the art, the same under shuffled "
        "pictures, and the difference in points with its 95% interval over samples. Rows without a layer: the mean.",
        answer,
        rows,
        (_MODEL, _SOURCE, _LAYER),
        [
            _Column(Heading("on the art"), rows, _number("mass", percent)),
            _Column(Heading("shuffled pictures"), rows, _number("control", percent)),
            _Column(Heading("difference", "95% interval"), rows, _excess),
            _Column(Heading("samples"), rows, _number("n_samples", str)),
        ],
    )


def _table(
    anchor: str,
    caption: str,
    statement: str,
    answer: Answer,
    rows: pl.DataFrame,
    keys: Sequence[_Key],
    columns: Sequence[_Column],
) -> ReportTable:
    """Return a row for each combination of the keys that the answer has, in its order."""
    names = [key.name for key in keys]
    found = [
        {tuple(row[name] for name in names): row for row in column.rows.iter_rows(named=True)} for column in columns
    ]
    return ReportTable(
        anchor,
        caption,
        statement,
        [*(key.heading for key in keys), *(column.heading for column in columns)],
        [
            [
                *(key.write(value) for key, value in zip(keys, place, strict=True)),
                *(column.write(own.get(place)) for column, own in zip(columns, found, strict=True)),
            ]
            for place in rows.select(names).unique(maintain_order=True).iter_rows()
        ],
        (answer,),
    )


def _ordered(rows: pl.DataFrame, column: str, names: list[str]) -> pl.DataFrame:
    """Sort rows as ``names`` stand, each name's rows in the order that they have."""
    return rows.sort(pl.col(column).cast(pl.Enum(names)), maintain_order=True)


def _of_models(inputs: ReportInputs, answer: Answer) -> pl.DataFrame:
    return _ordered(answer.rows, "model", [model.name for model in inputs.models])


def _recall(row: _Row | None) -> Cell:
    return seeded(row, in_percent)


def _pooled_recall(row: _Row | None) -> Cell:
    """Write a task with its 95% interval; a mean over tasks has none, but a range."""
    if row is None or row["task_id"] is None:
        return _recall(row)
    return bounded(row["value"], row["interval_low"], row["interval_high"], in_percent, interval)


def _by_task(rows: pl.DataFrame, write: Callable[[_Row | None], Cell] = _recall) -> list[_Column]:
    return [_Column(Heading(facet.title, facet.note), facet.rows, write) for facet in facets(rows)]


def _number(name: str, write: Callable[[float], str]) -> Callable[[_Row | None], Cell]:
    return lambda row: quantity(None if row is None else row[name], write)


def _excess(row: _Row | None) -> Cell:
    return Cell(NOTHING) if row is None else bounded(row["excess"], row["low"], row["high"], points, points_interval)


def _dose(x: float) -> str:
    """Write a share of the features, which is below one, or a number of features or dimensions, which is not."""
    return axes.percentages(x) if x < 1 else f"{x:g}"


def _words(name: str, words: Mapping[str, str], heading: str = "") -> _Key:
    """Return a key of names, spelt out by ``words`` where they are there."""
    return _Key(
        name,
        Heading(heading or name, numeric=False),
        lambda value: Cell(words.get(value, value.replace("_", " ")) if value else NOTHING),
    )


_MODEL = _Key("model", Heading("model", numeric=False), Cell)
_FITTED_ON = _words("fit_on", {}, "statistics of")
_SOURCE = _words("source", SOURCES, "attention")
_LAYER = _Key("layer", Heading("layer"), count)
