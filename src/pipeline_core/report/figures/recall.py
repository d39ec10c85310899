"""Figure 1: recall by task, raw, with the mean removed, ReAligned, and of the other models, as dots with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from pipeline_core.report.figures._kind import FINDINGS, Drawing, Drawn, Figure
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.recall import MEAN_REMOVED, RAW, REALIGN_CANDIDATES, REALIGN_SUPPORT, Score, TaskRecall
from pipeline_core.report.summary import Summary
from pipeline_core.report.text import percent

_ROLES = (
    (RAW, "raw", "raw"),
    (MEAN_REMOVED, "mean removed", "centred"),
    (REALIGN_SUPPORT, "ReAlign, support", "support"),
    (REALIGN_CANDIDATES, "ReAlign", "realign"),
)
"""Roles in the order of their rows: name of the row, class of its colour."""

_READING = " ReAlign: candidates whitened by their own set, as in the paper; “support”: by the support split."


@dataclass(frozen=True)
class TaskDots:
    """One task: a row a system, (label, kind, score); the kind of the studied model's best ends in ``best``."""

    task: TaskRecall
    rows: tuple[tuple[str, str, Score], ...]


@dataclass(frozen=True)
class RecallDots:
    """Tasks whose axes end at ``scale``, a share."""

    scale: float
    tasks: tuple[TaskDots, ...]


def common_scale(tasks: Sequence[TaskRecall]) -> float:
    """Return the share, a multiple of 10%, at which the axes of all tasks end."""
    highs = [score.high for task in tasks for score in (*task.scores.values(), *task.others.values())]
    return max(0.1, ceil(10 * max(highs, default=1.0)) / 10)


def _dots(inputs: ReportInputs, task: TaskRecall) -> TaskDots:
    most = max((score.value for score in task.scores.values()), default=0.0)
    own = [
        (label, f"{kind} best" if task.scores[role].value == most else kind, task.scores[role])
        for role, label, kind in _ROLES
        if role in task.scores
    ]
    beside = [model for model in inputs.compared if model.name in task.others]
    names = [model.kind if len(inputs.compared) == 1 else model.name for model in beside]
    others = [
        (name, f"model m{n}", task.others[model.name])
        for n, (name, model) in enumerate(zip(names, beside, strict=True), start=1)
    ]
    return TaskDots(task, (*own, *others))


def _statement(summary: Summary) -> str:
    task = summary.headline
    if task is None or task.realign is None or RAW not in task.scores:
        return "Hit rate of each system, test split."
    raw, whitened = task.scores[RAW], task.realign
    ratio = f" ({whitened.value / raw.value:.1f} times)" if raw.value > 0 else ""
    return (
        f"On {task.title}, hit@{task.k} goes from {percent(raw.value)} raw to {percent(whitened.value)} with "
        f"ReAlign{ratio}; chance is {percent(task.chance)}."
    )


class Recall(Figure):
    """Recall, a panel a task."""

    name, place, section = "recall", 10, FINDINGS
    title = "Recall by task"
    paper = (("Figure 1", "recall by task"), ("Tables 3 and 9", "recall by task"))
    wide = True

    def draw(self, drawing: Drawing) -> Drawn | None:
        """Draw it; None where nothing was scored."""
        tasks = drawing.summary.tasks
        if not tasks:
            return None
        scale = common_scale(tasks)
        reading = _READING if any(task.realign for task in tasks) else ""
        return Drawn(
            _statement(drawing.summary),
            f"Hit rate among the first k (@k), test split, 0 to {percent(scale, 0)}; lines are 95% intervals, "
            f"dotted lines chance, the model's best in bold.{reading}",
            RecallDots(scale, tuple(_dots(drawing.inputs, task) for task in tasks)),
            (drawing.facts.ask("recall"),),
        )


MEMBER = Recall()
