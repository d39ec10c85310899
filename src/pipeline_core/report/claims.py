"""The paper's claims, measured again: each holds, holds in part, or fails, and says by which numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.recall import MEAN_REMOVED, RAW, Score, TaskRecall
from pipeline_core.report.text import percent, points, share_of_tasks

Verdict = Literal["holds", "holds in part", "fails"]

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
    split: pl.DataFrame,
    concentration: pl.DataFrame,
    overlaps: pl.DataFrame,
    removal: pl.DataFrame,
) -> tuple[Claim, ...]:
    """Return the claims for which there are numbers; SAE claims are judged on the studied model's first SAE.

    Args:
        inputs: the report's inputs.
        tasks: recall by task.
        split: rows of ``energy_split.sql``.
        concentration: rows of ``energy_concentration.sql``.
        overlaps: rows of ``overlaps.sql``.
        removal: rows of ``removal_sets.sql``.
    """
    found = [_beaten(inputs, tasks), _realign(tasks), _centring(tasks)]
    if inputs.studied.saes:
        own = inputs.studied.saes[0].sae_id
        other = next((m.saes[0].sae_id for m in inputs.compared if m.saes), None)
        found += [
            _text_dominates(split, own, other),
            _concentrated(concentration, own, other),
            _bridging(overlaps, own, other),
            _distractors(removal.filter(pl.col("sae_id") == own)),
        ]
    return tuple(claim for claim in found if claim is not None)


def _verdict(n: int, total: int) -> Verdict:
    if n == total:
        return "holds"
    return "holds in part" if 2 * n > total else "fails"


def _beaten(inputs: ReportInputs, tasks: Sequence[TaskRecall]) -> Claim | None:
    best = [
        (t.scores[RAW], max(t.others.values(), key=lambda s: s.value)) for t in tasks if RAW in t.scores and t.others
    ]
    contrastive = [model.name for model in inputs.compared if model.kind == "contrastive"]
    if not best or inputs.studied.kind != "generative" or not contrastive:
        return None
    won = sum(raw.value < other.value for raw, other in best)
    return Claim(
        "As it is, the generative model retrieves far worse than the contrastive one.",
        _verdict(won, len(best)),
        f"{' and '.join(contrastive)} is ahead of raw {inputs.studied.name} on {share_of_tasks(won, len(best))}.",
    )


def _realign(tasks: Sequence[TaskRecall]) -> Claim | None:
    pairs = _pairs(tasks, lambda task: task.realign)
    if not pairs:
        return None
    raised = sum(after.value > before.value for before, after in pairs)
    apart = sum(after.low > before.high for before, after in pairs)
    return Claim(
        "ReAlign, which needs no training and no labels, raises recall everywhere.",
        _verdict(raised, len(pairs)),
        f"It does on {share_of_tasks(raised, len(pairs))}; the 95% intervals are apart on {apart}.",
    )


def _centring(tasks: Sequence[TaskRecall]) -> Claim | None:
    gains = [
        (task.scores[MEAN_REMOVED].value - task.scores[RAW].value, task.realign.value - task.scores[RAW].value)
        for task in tasks
        if task.realign and {RAW, MEAN_REMOVED} <= set(task.scores)
    ]
    if not gains:
        return None
    more = sum(whitened > centred for centred, whitened in gains)
    centred, whitened = (sum(column) / len(gains) for column in zip(*gains, strict=True))
    return Claim(
        "Whitening gains more than removing the mean alone.",
        _verdict(more, len(gains)),
        f"It does on {share_of_tasks(more, len(gains))}; on average, removing the mean gives {points(centred)} "
        f"points and ReAlign {points(whitened)}.",
    )


def _text_dominates(split: pl.DataFrame, own: str, other: str | None) -> Claim | None:
    row, beside = _row(split, own), _row(split, other)
    if row is None or row["text_energy"] is None:
        return None
    text = row["text_energy"]
    evidence = f"Text features hold {percent(text)} of the energy, picture features {percent(row['image_energy'])}"
    dominates = text > 0.5
    if beside is not None:
        evidence += f"; in the contrastive model text features hold {percent(beside['text_energy'])}"
    partly = text > row["image_energy"] and (beside is None or text > beside["text_energy"])
    verdict: Verdict = "holds" if dominates else "holds in part" if partly else "fails"
    return Claim("Text dominates the generative model's features.", verdict, evidence + ".")


def _concentrated(concentration: pl.DataFrame, own: str, other: str | None) -> Claim | None:
    row, beside = _row(concentration, own), _row(concentration, other)
    if row is None:
        return None
    evidence = f"{percent(row['feature_share'])} of the features ({row['n_features']:,}) hold 99%"
    if beside is not None:
        evidence += f", against {percent(beside['feature_share'])} in the contrastive model"
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
        f"in the contrastive model by {beside['triple']:.2f}.",
    )


def _distractors(removal: pl.DataFrame) -> Claim | None:
    deltas = {
        selection: removal.filter(pl.col("selection") == selection) for selection in ("attribution", "energy_matched")
    }
    removed, matched = deltas["attribution"], deltas["energy_matched"]
    if removed.is_empty():
        return None
    raised = removed.filter(pl.col("delta") > 0).height
    evidence = f"Removing them raises recall on {share_of_tasks(raised, removed.height)}"
    evidence += f", by {points(float(removed['delta'].to_numpy().mean()))} points on average"
    if not matched.is_empty():
        evidence += f"; random features of like energy change it by {points(float(matched['delta'].to_numpy().mean()))}"
        both = removed.join(matched, on="task_id", suffix="_matched")
        raised = both.filter((pl.col("delta") > 0) & (pl.col("delta") > pl.col("delta_matched"))).height
        evidence += f", and are outdone on {share_of_tasks(raised, both.height)}"
    return Claim(
        "The features that contribute most to similarity are distractors: removing them raises recall.",
        _verdict(raised, removed.height),
        evidence + ".",
    )


def _pairs(tasks: Sequence[TaskRecall], adapted: Any) -> list[tuple[Score, Score]]:
    return [(task.scores[RAW], adapted(task)) for task in tasks if RAW in task.scores and adapted(task) is not None]


def _row(rows: pl.DataFrame, sae_id: str | None) -> dict[str, Any] | None:
    if sae_id is None:
        return None
    its = rows.filter(pl.col("sae_id") == sae_id)
    return its.row(0, named=True) if its.height else None
