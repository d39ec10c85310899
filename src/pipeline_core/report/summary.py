"""The findings in a few lines: what the command prints at its end and what the report opens with."""

from dataclasses import dataclass

from pipeline_core.report.claims import Claim, claims
from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.recall import MEAN_REMOVED, RAW, REALIGN_SUPPORT, Score, TaskRecall, recall_by_task
from pipeline_core.report.text import interval, percent

HEADLINE_TYPE = "t->i"

_VERBS = {"holds": "holds", "holds in part": "holds in part", "not settled": "is not settled", "fails": "fails"}


@dataclass(frozen=True)
class EnergySeat:
    """Where an SAE's energy sits: shares by whom the features serve, and how many features hold 99%."""

    sae_id: str
    image: float
    shared: float
    text: float
    n_features: int
    feature_share: float


@dataclass(frozen=True)
class Summary:
    """What was found. ``headline`` is text to picture, or the first task; None when nothing was scored."""

    model: str
    tasks: tuple[TaskRecall, ...]
    headline: TaskRecall | None
    energy: tuple[EnergySeat, ...]
    claims: tuple[Claim, ...]

    @property
    def most_interesting(self) -> str:
        """A claim that fails or does not hold fully, or else the last; '' when there are no claims."""
        order = ("fails", "holds in part", "not settled", "holds")
        if not self.claims:
            return ""
        claim = min(reversed(self.claims), key=lambda claim: order.index(claim.verdict))
        return f"“{claim.statement}” {_VERBS[claim.verdict]} here. {claim.evidence}"

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines that a person reads at the end of a run."""
        found = []
        if self.headline is not None:
            task = self.headline
            parts = [_part(RAW, task.scores.get(RAW)), _part(MEAN_REMOVED, task.scores.get(MEAN_REMOVED))]
            parts += [_part("ReAlign", task.realign), _part(REALIGN_SUPPORT, task.scores.get(REALIGN_SUPPORT))]
            parts += [_part(name, score) for name, score in task.others.items()]
            scores = ", ".join(part for part in dict.fromkeys(parts) if part)
            found.append(f"{task.title}, hit@{task.k} ({self.model}): {scores}; chance {percent(task.chance)}")
        found += [
            f"energy of {seat.sae_id}: {percent(seat.image)} picture features, {percent(seat.shared)} shared, "
            f"{percent(seat.text)} text; {percent(seat.feature_share)} of the features hold 99%"
            for seat in self.energy
        ]
        if self.most_interesting:
            found.append(f"most interesting: {self.most_interesting}")
        return tuple(found)


def summarise(inputs: ReportInputs) -> Summary:
    """Read what was found from the artifacts.

    Raises:
        StoreError: an artifact lacks a table.
    """
    with Facts(inputs) as facts:
        return summary_of(inputs, facts)


def summary_of(inputs: ReportInputs, facts: Facts) -> Summary:
    """Read what was found from tables that are open already."""
    tasks = recall_by_task(inputs, facts.ask("recall").rows)
    split, concentration = facts.ask("energy_split").rows, facts.ask("energy_concentration").rows
    order = {sae.sae_id: n for n, sae in enumerate(sae for model in inputs.models for sae in model.saes)}
    seats = sorted(split.join(concentration, on="sae_id").iter_rows(named=True), key=lambda row: order[row["sae_id"]])
    return Summary(
        inputs.studied.name,
        tasks,
        next((task for task in tasks if task.task_type == HEADLINE_TYPE), tasks[0] if tasks else None),
        tuple(
            EnergySeat(
                row["sae_id"],
                row["image_energy"],
                row["shared_energy"],
                row["text_energy"],
                row["n_features"],
                row["feature_share"],
            )
            for row in seats
        ),
        claims(
            inputs,
            tasks,
            facts.ask("comparisons").rows,
            split,
            concentration,
            facts.ask("overlaps").rows,
            facts.ask("removal_sets").rows,
        ),
    )


def _part(name: str, score: Score | None) -> str:
    return f"{name} {percent(score.value)} [{interval(score.low, score.high)}]" if score else ""
