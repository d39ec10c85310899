"""The retrieval problems of a data set: each task's pools by split, checked before anything is scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.activations.limits import Limits
from pipeline_core.errors import DataError
from pipeline_core.retrieval.judgements import Judgements, Pool

FITTED = "support"
"""The split that statistics of queries come from."""

SCORED = ("validation", "test")
"""The splits that systems are scored on."""

NEEDED = "test"
"""The split that a task must have: without the others it loses what is fitted, or chosen, on them."""


@dataclass(frozen=True)
class Problem:
    """One task: its pools by split, the prompt of its candidates, the cut-offs it is scored at, and the primary one."""

    task_id: str
    control: str
    candidate_prompt_id: str
    primary_k: int
    ks: tuple[int, ...]
    pools: Mapping[str, Pool]

    @property
    def scored(self) -> tuple[Pool, ...]:
        """The pools that systems are scored on; the last is of the test split."""
        return tuple(self.pools[split] for split in SCORED if split in self.pools)


def problems(dataset: Path, ks: Sequence[int], limits: Limits | None = None) -> tuple[Problem, ...]:
    """Return the problem of every task, controls too, in ascending order of id.

    Args:
        dataset: artifact with tasks and judgements.
        ks: cut-offs; a task's primary one is added to its own.
        limits: those of the model that is judged.

    Raises:
        DataError: a task has no queries in test, or no candidates or nothing relevant in a split.
    """
    judgements = Judgements(dataset, limits)
    return tuple(
        Problem(
            task["task_id"],
            task["control"],
            task["candidate_prompt_id"],
            task["primary_k"],
            tuple(sorted({*ks, task["primary_k"]})),
            _pools(judgements, task["task_id"]),
        )
        for task in judgements.tasks.iter_rows(named=True)
    )


def _pools(judgements: Judgements, task_id: str) -> dict[str, Pool]:
    splits = [split for split in (FITTED, *SCORED) if split == NEEDED or judgements.asks_in(task_id, split)]
    pools = {split: judgements.pool(task_id, split) for split in splits}
    if FITTED in pools and not len(pools[FITTED].queries):
        del pools[FITTED]  # the model could embed none of them
    for split in splits:
        if split in SCORED and not len(pools[split].judged):
            raise DataError(
                f"no query of task {task_id} in the split {split} has a relevant candidate",
                "give each query a relevant candidate of its split",
            )
    return pools
