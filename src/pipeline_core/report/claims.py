"""The paper's claims, measured again: each holds, holds in part, is not settled, or fails, by the numbers it gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.recall import MEAN_REMOVED, RAW, REALIGN_CANDIDATES, Score, TaskRecall
from pipeline_core.report.text import percent, points, share_of_tasks

Verdict = Literal["holds", "holds in part", "not settled", "fails"]

FEW = 0.1
"""Share of features up to which we call them few."""

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Claim:
    """A claim of the paper about the studied model, and what was found here."""

    statement: str
    verdict: Verdict
    evidence: str


def claims(
    inputs: ReportInputs,
    tasks: Sequence[TaskRecall],
    comparisons: pl.DataFrame,
    split: pl.DataFrame,
    concentration: pl.DataFrame,
    overlaps: pl.DataFrame,
    removal: pl.DataFrame,
) -> tuple[Claim, ...]:
    """Return the claims for which there are numbers; SAE claims are judged on the studied model's first SAE.

    Args:
        inputs: the report's inputs.
        tasks: recall by task.
        comparisons: rows of ``comparisons.sql``.
        split: rows of ``energy_split.sql``.
        concentration: rows of ``energy_concentration.sql``.
        overlaps: rows of ``overlaps.sql``.
        removal: rows of ``removal_sets.sql``.
    """
    found = [_beaten(inputs, tasks), _realign(tasks, comparisons), _centring(tasks, comparisons)]
    if inputs.studied.saes and inputs.studied.kind == "generative":
        own = inputs.studied.saes[0].sae_id
        other = next((m.saes[0].sae_id for m in inputs.compared if m.saes), None)
        found += [
            _text_dominates(split, own, other),
            _concentrated(concentration, own, other),
            _bridging(overlaps, own, other),
            _distractors(removal.filter(pl.col("sae_id") == own)),
        ]
    return tuple(claim for claim in found if claim is not None)


def _verdict(supporting: int, significant: int, total: int) -> Verdict:
    """Judge by the tasks whose numbers support a claim, and those among them that do so beyond chance."""
    if significant == total:
        return "holds"
    if 2 * significant > total:
        return "holds in part"
    return "not settled" if 2 * supporting > total else "fails"


def _beaten(inputs: ReportInputs, tasks: Sequence[TaskRecall]) -> Claim | None:
    best = [
        (t.scores[RAW], max(t.others.values(), key=lambda s: s.value)) for t in tasks if RAW in t.scores and t.others
    ]
    contrastive = [model.name for model in inputs.compared if model.kind == "contrastive"]
    if not best or inputs.studied.kind != "generative" or not contrastive:
        return None
    won = sum(raw.value < other.value for raw, other in best)
    apart = sum(raw.high < other.low for raw, other in best)
    return Claim(
        "As it is, the generative model retrieves far worse than the contrastive one.",
        _verdict(won, apart, len(best)),
        f"{' and '.join(contrastive)} is ahead of raw {inputs.studied.name} on {share_of_tasks(won, len(best))}; the "
        f"95% intervals are apart on {apart}.",
    )


def _realign(tasks: Sequence[TaskRecall], comparisons: pl.DataFrame) -> Claim | None:
    pairs = [(task, task.scores[RAW], task.realign) for task in tasks if RAW in task.scores and task.realign]
    if not pairs:
        return None
    raised = sum(after.value > before.value for _, before, after in pairs)
    significant = sum(_significantly_better(comparisons, task, after, before) for task, before, after in pairs)
    return Claim(
        "ReAlign, which needs no training and no labels, raises recall everywhere.",
        _verdict(raised, significant, len(pairs)),
        f"It does on {share_of_tasks(raised, len(pairs))}, on {significant} with q < {SIGNIFICANT}.",
    )


def _centring(tasks: Sequence[TaskRecall], comparisons: pl.DataFrame) -> Claim | None:
    pairs = [
        (task.scores[MEAN_REMOVED], task.scores[REALIGN_CANDIDATES], task)
        for task in tasks
        if {RAW, MEAN_REMOVED, REALIGN_CANDIDATES} <= set(task.scores)
    ]
    if not pairs:
        return None
    more = sum(whitened.value > centred.value for centred, whitened, _ in pairs)
    significant = sum(_significantly_better(comparisons, task, whitened, centred) for centred, whitened, task in pairs)
    before, by_centring, by_whitening = (
        sum(scores) / len(pairs)
        for scores in zip(*((t.scores[RAW].value, c.value, w.value) for c, w, t in pairs), strict=True)
    )
    return Claim(
        "Whitening gains more than removing the mean alone.",
        _verdict(more, significant, len(pairs)),
        f"It does on {share_of_tasks(more, len(pairs))}, on {significant} with q < {SIGNIFICANT}; on average, removing "
        f"the mean gives {points(by_centring - before)} points and ReAlign {points(by_whitening - before)}.",
    )


def _text_dominates(split: pl.DataFrame, own: str, other: str | None) -> Claim | None:
    row, beside = _row(split, own), _row(split, other)
    if row is None or row["text_energy"] is None:
        return None
    text = row["text_energy"]
    evidence = f"Text features hold {percent(text)} of the energy, picture features {percent(row['image_energy'])}"
    dominates = text > 0.5
    if beside is not None:
        evidence += f"; in {_model(beside)} text features hold {percent(beside['text_energy'])}"
    partly = text > row["image_energy"] and (beside is None or text > beside["text_energy"])
    verdict: Verdict = "holds" if dominates else "holds in part" if partly else "fails"
    return Claim("Text dominates the generative model's features.", verdict, evidence + ".")


def _concentrated(concentration: pl.DataFrame, own: str, other: str | None) -> Claim | None:
    row, beside = _row(concentration, own), _row(concentration, other)
    if row is None:
        return None
    evidence = f"{percent(row['feature_share'])} of the features ({row['n_features']:,}) hold 99%"
    if beside is not None:
        evidence += f", against {percent(beside['feature_share'])} in {_model(beside)}"
    return Claim(
        "Few features hold 99% of the energy.", "holds" if row["feature_share"] <= FEW else "fails", evidence + "."
    )


def _bridging(overlaps: pl.DataFrame, own: str, other: str | None) -> Claim | None:
    nearest = overlaps.filter(pl.col("bridge_reduction") == "bridge_abs").sort((pl.col("share") - 0.01).abs())
    row, beside = _row(nearest, own), _row(nearest, other)
    if row is None or beside is None:
        return None
    more = row["triple"] > beside["triple"]
    return Claim(
        "That energy goes into bridging: the top sets by energy, attribution and bridge overlap more.",
        "holds" if more else "fails",
        f"At {percent(row['share'], 0)} of the features the three sets overlap by {row['triple']:.2f} (Jaccard), "
        f"in {_model(beside)} by {beside['triple']:.2f}.",
    )


def _distractors(removal: pl.DataFrame) -> Claim | None:
    removed = removal.filter(pl.col("selection") == "attribution")
    matched = removal.filter(pl.col("selection") == "energy_matched")
    if removed.is_empty():
        return None
    mean = float(removed["delta"].to_numpy().mean())
    raised = removed.filter(pl.col("delta") > 0)
    evidence = (
        f"Removing them raises recall on {share_of_tasks(raised.height, removed.height)}, by {points(mean)} points"
    )
    evidence += " on average"
    if not matched.is_empty():
        control = float(matched["delta"].to_numpy().mean())
        both = raised.join(matched, on="task_id", suffix="_matched")
        raised = both.filter(pl.col("delta") > pl.col("delta_matched"))
        evidence += (
            f"; removing random features of like energy changes it by {points(control)}, less on {raised.height}"
        )
    significant = raised.filter(pl.col("q") < SIGNIFICANT).height
    return Claim(
        "The features that contribute most to similarity are distractors: removing them raises recall.",
        _verdict(raised.height, significant, removed.height),
        f"{evidence}; q < {SIGNIFICANT} on {significant}.",
    )


def _significantly_better(comparisons: pl.DataFrame, task: TaskRecall, system: Score, baseline: Score) -> bool:
    pair = {"system_id": system.system_id, "baseline_id": baseline.system_id, "task_id": task.task_id}
    tested = comparisons.filter(**pair)
    return not tested.filter((pl.col("delta") > 0) & (pl.col("q") < SIGNIFICANT)).is_empty()


def _model(row: dict[str, Any]) -> str:
    return str(row["sae_id"]).rpartition("/")[0]


def _row(rows: pl.DataFrame, sae_id: str | None) -> dict[str, Any] | None:
    if sae_id is None:
        return None
    its = rows.filter(pl.col("sae_id") == sae_id)
    return its.row(0, named=True) if its.height else None
