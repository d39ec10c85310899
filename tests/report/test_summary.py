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


def _task(raw: float, mean_removed: float, realign: float, other: float, task_id: str = "t2i") -> TaskRecall:
    def score(value: float, system_id: str = "other") -> Score:
        return Score(system_id, value, value - 0.05, value + 0.05)

    values = {RAW: raw, MEAN_REMOVED: mean_removed, REALIGN_CANDIDATES: realign}
    scores = {role: score(value, role) for role, value in values.items()}
    return TaskRecall(task_id, "t->i", "", 5, 0.01, 100, 100, scores, {"reference-contrastive": score(other)})


def _tested(tasks: list[TaskRecall], q: float) -> pl.DataFrame:
    """Comparisons of the tasks' systems, as the paired tests would give them with this q."""
    pairs = [(task, REALIGN_CANDIDATES, baseline) for task in tasks for baseline in (RAW, MEAN_REMOVED)]
    return pl.DataFrame(
        [
            {
                "system_id": system,
                "baseline_id": baseline,
                "task_id": task.task_id,
                "delta": task.scores[system].value - task.scores[baseline].value,
                "q": q,
            }
            for task, system, baseline in pairs
        ]
    )


GOOD, MIXED, BAD = (0.1, 0.2, 0.3, 0.5), (0.1, 0.4, 0.3, 0.5), (0.5, 0.6, 0.4, 0.3)


@pytest.mark.parametrize(
    ("values", "q", "verdicts"),
    [
        ([GOOD, GOOD], 0.01, ["holds", "holds", "holds"]),
        ([GOOD, GOOD], 0.2, ["holds", "not settled", "not settled"]),
        ([BAD, BAD], 0.01, ["fails", "fails", "fails"]),
        ([GOOD, GOOD, BAD], 0.01, ["holds in part", "holds in part", "holds in part"]),
        ([GOOD, MIXED, BAD], 0.01, ["holds in part", "holds in part", "fails"]),
        ([GOOD, BAD], 0.01, ["fails", "fails", "fails"]),
    ],
    ids=["all", "all, but within chance", "none", "two of three", "centring alone", "half is not most"],
)
def test_verdicts_on_recall(
    inputs: ReportInputs, values: list[tuple[float, float, float, float]], q: float, verdicts: list[str]
) -> None:
    without = replace(inputs, models=tuple(replace(model, saes=()) for model in inputs.models))
    tasks = [_task(*scores, task_id=f"task-{n}") for n, scores in enumerate(values)]
    found = claims(without, tasks, _tested(tasks, q), EMPTY, EMPTY, EMPTY, EMPTY)
    assert [claim.verdict for claim in found] == verdicts


def test_removal_is_judged_against_random_features_of_like_energy(inputs: ReportInputs) -> None:
    own = inputs.studied.saes[0].sae_id

    def removal(attribution: float, matched: float, q: float = 0.01) -> pl.DataFrame:
        deltas = {"attribution": attribution, "energy_matched": matched}
        rows = [{"sae_id": own, "selection": s, "task_id": "t2i", "delta": d, "q": q} for s, d in deltas.items()]
        return pl.DataFrame(rows)

    overlaps = pl.DataFrame(schema={"sae_id": pl.String, "bridge_reduction": pl.String, "share": pl.Float64})

    def verdict(effects: pl.DataFrame) -> str:
        return claims(inputs, [], EMPTY, EMPTY, EMPTY, overlaps, effects)[-1].verdict

    assert verdict(removal(0.1, 0.02)) == "holds"
    assert verdict(removal(0.1, 0.02, q=0.2)) == "not settled"
    assert verdict(removal(0.1, 0.2)) == "fails"
    assert verdict(removal(-0.1, -0.2)) == "fails"
