"""The report in one line: mean recall raw, with the best fix that needs no labels, and of the other models."""

from dataclasses import dataclass

from pipeline_core.report.facts import Answer, Facts
from pipeline_core.report.measured import estimated
from pipeline_core.report.text import percent, points, points_interval, probability


@dataclass(frozen=True)
class Gain:
    """What the best fix adds to raw: the difference of the means over the tasks, its 95% interval over families, p."""

    label: str
    value: float
    delta: float
    low: float
    high: float
    p: float

    @property
    def told(self) -> str:
        """The difference, its interval and p in words."""
        return f"{points(self.delta)} points [{points_interval(self.low, self.high)}], p {probability(self.p)}"


@dataclass(frozen=True)
class Strip:
    """Means over the tasks.

    Attributes:
        n_tasks: that every mean is over.
        raw: hit rate of the model studied as it is.
        best: the fix that finds most; None where none was fitted on every task.
        others: name and hit rate of each other model.
        answers: the SQL of the numbers.
    """

    n_tasks: int
    raw: float
    best: Gain | None
    others: tuple[tuple[str, float], ...]
    answers: tuple[Answer, ...]

    @property
    def line(self) -> str:
        """All of it in a line."""
        best = "" if self.best is None else f", {self.best.label} {percent(self.best.value)} ({self.best.told})"
        others = "".join(f", {name} {percent(value)}" for name, value in self.others)
        tasks = f"mean over {self.n_tasks} tasks" if self.n_tasks > 1 else "one task"
        return f"{tasks}, hit rate: raw {percent(self.raw)}{best}{others}"


def strip_of(facts: Facts) -> Strip | None:
    """Ask for the means; None where the model studied was not scored raw on every task."""
    means = facts.ask("strip")
    own = list(means.rows.filter(place=0).iter_rows(named=True))
    if not own or not own[0]["raw"]:
        return None
    raw, *fixes = own
    best: Gain | None = None
    answers: tuple[Answer, ...] = (means,)
    if fixes:
        gain = facts.ask("strip_gain", system=fixes[0]["system_id"], baseline=raw["system_id"])
        found = estimated(gain.rows, 1)
        if found is not None:
            best = Gain(fixes[0]["label"], fixes[0]["hit_rate"], found.value, *found.interval, found.p(0.0))
            answers = (means, gain)
    others = means.rows.filter(means.rows["place"] > 0).select("model", "hit_rate").iter_rows()
    return Strip(raw["n_tasks"], raw["hit_rate"], best, tuple(others), answers)
