"""Samples that a model could not embed: noted with the reason while the others go on, and kept within bounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from pipeline_core.activations.limits import Limits
from pipeline_core.dataset.screening import refuse_if_too_many
from pipeline_core.errors import DataError
from pipeline_core.schema.parquet import read_table

_NEEDED = "test"
"""The split in which a task must keep queries."""


@dataclass(frozen=True)
class Refusal:
    """A row of the table ``refused``, but for the model."""

    sample_id: str
    prompt_id: str
    fault: Literal["picture", "input", "memory"]
    reason: str
    width: int | None = None
    height: int | None = None
    n_tokens: int | None = None


def check_share(model: str, refusals: Sequence[Refusal], planned: int, max_share: float) -> None:
    """Refuse an extraction of which too much is missing.

    Args:
        model: the model.
        refusals: what it refused.
        planned: samples under an instruction, in all.
        max_share: share of refusals, 0 to 1, that is put up with.

    Raises:
        DataError: more were refused, or all.
    """
    rows = [(refusal.sample_id, refusal.reason) for refusal in refusals]
    what, setting = f"samples that {model} is to embed", "activations.max_refused_share: what was embedded is kept"
    refuse_if_too_many(planned - len(rows), rows, max_share, what, setting)


def check_refusals(activations: Path, dataset: Path, planned: int, max_share: float) -> None:
    """Refuse a finished extraction of which too much is missing, or that leaves a task nothing to ask in test.

    Raises:
        DataError: as in ``check_share``, or every test query of a task was refused.
    """
    table = read_table(activations, "refused")
    if table.is_empty():
        return
    model = str(table["model"][0])
    refusals = [Refusal(**row) for row in table.drop("model").iter_rows(named=True)]
    check_share(model, refusals, planned, max_share)
    asked = read_table(dataset, "queries").filter(pl.col("split") == _NEEDED)
    left = Limits.read(activations).embedded(asked)
    for task_id, queries in asked.join(left, on="task_id", how="anti").sort("task_id").group_by("task_id"):
        first = next(refusal for refusal in refusals if refusal.sample_id in queries["sample_id"])
        raise DataError(
            f"{model} can embed none of the {queries.height} queries of the task {task_id[0]} in the split {_NEEDED}: "
            f"{first.sample_id}: {first.reason}; it refused {len(refusals)} of {planned} samples",
            "mend these rows, or remove them",
        )
