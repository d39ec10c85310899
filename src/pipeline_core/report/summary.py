"""The findings in a few lines: what the command prints at its end and what the report opens with."""

from dataclasses import dataclass

from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.recall import MEAN_REMOVED, RAW, REALIGN_SUPPORT, Score, TaskRecall, recall_by_task
from pipeline_core.report.strip import Strip, strip_of
from pipeline_core.report.text import interval, percent
from pipeline_core.report.verdicts import ClaimVerdict, Verdicts

HEADLINE_TYPE = "t->i"


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
    """What was found.

    Attributes:
        model: the model studied.
        tasks: recall of each task.
        headline: text to picture, or the first task; None when nothing was scored.
        energy: where each autoencoder's energy sits.
        verdicts: on the claims.
        strip: means over the tasks; None where some task was not scored.
        sampled: what all numbers are of, where a sample of the data set was declared; else empty.
    """

    model: str
    tasks: tuple[TaskRecall, ...]
    headline: TaskRecall | None
    energy: tuple[EnergySeat, ...]
    verdicts: Verdicts
    strip: Strip | None = None
    sampled: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines that a person reads at the end of a run."""
        found = [self.sampled] if self.sampled else []
        if self.strip is not None and self.strip.n_tasks > 1:
            found.append(f"{self.strip.line} ({self.model})")
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
        return (*found, *(_line(claim) for claim in self.verdicts.claims))


def summary_of(inputs: ReportInputs, facts: Facts, verdicts: Verdicts) -> Summary:
    """Read what was found from tables that are open already, beside the verdicts on the claims."""
    tasks = recall_by_task(inputs, facts.ask("recall").rows)
    split, concentration = facts.ask("energy_split").rows, facts.ask("energy_concentration").rows
    seats = {row["sae_id"]: row for row in split.join(concentration, on="sae_id").iter_rows(named=True)}
    return Summary(
        inputs.studied.name,
        tasks,
        next((task for task in tasks if task.task_type == HEADLINE_TYPE), tasks[0] if tasks else None),
        tuple(
            EnergySeat(
                sae_id,
                *(row[name] for name in ("image_energy", "shared_energy", "text_energy")),
                *(row[name] for name in ("n_features", "feature_share")),
            )
            for sae_id in inputs.sae_ids
            if (row := seats.get(sae_id))
        ),
        verdicts,
        strip_of(facts),
        _sampled(facts),
    )


def _sampled(facts: Facts) -> str:
    """Say how many of how many queries and candidates there are, where a sample was declared."""
    rows = [
        row
        for row in facts.ask("sampling").rows.iter_rows(named=True)
        if row["queries_of"] is not None or row["candidates_of"] is not None
    ]
    if not rows:
        return ""
    asked, found = (sum(row[name] for row in rows) for name in ("n_queries", "n_candidates"))
    of_queries = sum(row["queries_of"] or row["n_queries"] for row in rows)
    of_candidates = sum(row["candidates_of"] or row["n_candidates"] for row in rows)
    tasks = f" in {len(rows)} tasks" if len(rows) > 1 else ""
    return f"A sample: {asked:,} of {of_queries:,} queries among {found:,} of {of_candidates:,} candidates{tasks}."


def _line(claim: ClaimVerdict) -> str:
    """Write a verdict with the number that it rests on, or what it lacks."""
    main = claim.main
    number = f"{main.found}, {main.counts}" if main.counting else f"needs {main.needs}"
    return f"claim {claim.rule.claim} {claim.verdict}: {claim.rule.statement.removesuffix('.')} ({number})"


def _part(name: str, score: Score | None) -> str:
    return f"{name} {percent(score.value)} [{interval(score.low, score.high)}]" if score else ""
