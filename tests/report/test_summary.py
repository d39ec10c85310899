"""The summary says what the tables say, and a claim that fails is said to fail."""

from dataclasses import replace

import polars as pl
import pytest

from pipeline_core.parquet import read_table
from pipeline_core.report.claims import claims
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.recall import MEAN_REMOVED, RAW, REALIGN_CANDIDATES, REALIGN_SUPPORT, Score, TaskRecall
from pipeline_core.report.summary import summarise
from pipeline_core.report.text import percent

EMPTY = pl.DataFrame(schema={"sae_id": pl.String})


@pytest.mark.parametrize(
    ("role", "short"),
    [
        (RAW, "raw"),
        (MEAN_REMOVED, "mean_removal"),
        (REALIGN_CANDIDATES, "realign"),
        (REALIGN_SUPPORT, "realign-support"),
    ],
)
def test_scores_are_those_of_the_metrics_table(inputs: ReportInputs, role: str, short: str) -> None:
    metrics = read_table(inputs.studied.retrieval, "retrieval_metrics")
    summary = summarise(inputs)
    assert {task.task_id for task in summary.tasks} == {"t2i", "i2t", "t2t_name_keywords", "i2i", "it2i"}
    for task in summary.tasks:
        its = {"system_id": f"reference-mllm/{short}", "task_id": task.task_id, "k": task.k, "split": "test"}
        (row,) = metrics.filter(**its).iter_rows(named=True)
        assert task.scores[role] == Score(row["system_id"], row["value"], row["low"], row["high"])
        assert (task.chance, task.n_queries) == (row["chance"], row["n_queries"])


def test_the_other_model_is_shown_raw(inputs: ReportInputs) -> None:
    metrics = read_table(inputs.models[1].retrieval, "retrieval_metrics")
    for task in summarise(inputs).tasks:
        value = metrics.filter(system_id="reference-contrastive/raw", task_id=task.task_id, k=5)["value"].item()
        assert task.others["reference-contrastive"].value == value


def test_energy_seats_are_sums_over_the_features_table(inputs: ReportInputs) -> None:
    seats = {seat.sae_id: seat for seat in summarise(inputs).energy}
    assert list(seats) == ["reference-mllm/paper", "reference-mllm/centred", "reference-contrastive/paper"]
    for sae in (sae for model in inputs.models for sae in model.saes):
        features, seat = read_table(sae.features, "features"), seats[sae.sae_id]
        total = features["energy"].sum()
        text = features.filter(pl.col("modality") > 2 / 3)["energy"].sum()
        image = features.filter(pl.col("modality") < 1 / 3)["energy"].sum()
        assert seat.text == pytest.approx(text / total)
        assert seat.image == pytest.approx(image / total)
        assert seat.image + seat.shared + seat.text == pytest.approx(1.0)
        curve = features["energy"].sort(descending=True).cum_sum() / total
        assert seat.n_features == (curve < 0.99).sum() + 1


def test_lines_carry_the_headline_numbers(inputs: ReportInputs) -> None:
    summary = summarise(inputs)
    assert summary.headline is not None
    assert summary.headline.task_id == "t2i"
    first = summary.lines[0]
    for score in (*summary.headline.scores.values(), *summary.headline.others.values()):
        if score.system_id != "reference-mllm/realign-shuffled_pairs":
            assert percent(score.value) in first
    assert summary.lines[-1].startswith("most interesting: ")


def test_a_model_that_was_not_compared_is_not_claimed_about(inputs: ReportInputs) -> None:
    alone = summarise(replace(inputs, models=inputs.models[:1]))
    assert not any("contrastive" in claim.evidence for claim in alone.claims)
    assert all(task.others == {} for task in alone.tasks)


def _task(raw: float, mean_removed: float, realign: float, other: float) -> TaskRecall:
    def score(value: float) -> Score:
        return Score("s", value, value - 0.05, value + 0.05)

    scores = {RAW: score(raw), MEAN_REMOVED: score(mean_removed), REALIGN_CANDIDATES: score(realign)}
    return TaskRecall("t2i", "t->i", "", 5, 0.01, 100, 100, scores, {"reference-contrastive": score(other)})


@pytest.mark.parametrize(
    ("tasks", "verdicts"),
    [
        ([_task(0.1, 0.2, 0.3, 0.5)], ["holds", "holds", "holds"]),
        ([_task(0.5, 0.6, 0.4, 0.3)], ["fails", "fails", "fails"]),
        ([_task(0.1, 0.4, 0.3, 0.5)] * 2 + [_task(0.2, 0.1, 0.1, 0.1)], ["holds in part", "holds in part", "fails"]),
        ([_task(0.1, 0.2, 0.3, 0.5), _task(0.3, 0.2, 0.1, 0.1)], ["fails", "fails", "fails"]),
    ],
    ids=["all", "none", "two of three", "half is not most"],
)
def test_verdicts_on_recall(inputs: ReportInputs, tasks: list[TaskRecall], verdicts: list[str]) -> None:
    without = replace(inputs, models=tuple(replace(model, saes=()) for model in inputs.models))
    found = claims(without, tasks, EMPTY, EMPTY, EMPTY, EMPTY)
    assert [claim.verdict for claim in found] == verdicts


def test_removal_is_judged_against_random_features_of_like_energy(inputs: ReportInputs) -> None:
    own = inputs.studied.saes[0].sae_id

    def removal(attribution: float, matched: float) -> pl.DataFrame:
        deltas = {"attribution": attribution, "energy_matched": matched}
        rows = [{"sae_id": own, "selection": s, "task_id": "t2i", "delta": d, "q": 0.01} for s, d in deltas.items()]
        return pl.DataFrame(rows)

    overlaps = pl.DataFrame(schema={"sae_id": pl.String, "bridge_reduction": pl.String, "share": pl.Float64})

    def verdict(effects: pl.DataFrame) -> str:
        return claims(inputs, [], EMPTY, EMPTY, overlaps, effects)[-1].verdict

    assert verdict(removal(0.1, 0.02)) == "holds"
    assert verdict(removal(0.1, 0.2)) == "fails"
    assert verdict(removal(-0.1, -0.2)) == "fails"
