"""The summary says what the tables say."""

from dataclasses import replace

import polars as pl
import pytest

from pipeline_core.report.claims import judge
from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.recall import MEAN_REMOVED, RAW, REALIGN_CANDIDATES, REALIGN_SUPPORT, Score
from pipeline_core.report.summary import Summary, summary_of
from pipeline_core.report.text import percent
from pipeline_core.schema.parquet import read_table
from tests.report.world import RunWorld


def summarise(inputs: ReportInputs) -> Summary:
    with Facts(inputs) as facts:
        return summary_of(inputs, facts, judge(facts, inputs))


@pytest.mark.parametrize(
    ("role", "short"),
    [
        (RAW, "raw"),
        (MEAN_REMOVED, "mean_removal"),
        (REALIGN_CANDIDATES, "realign"),
        (REALIGN_SUPPORT, "realign-support"),
    ],
)
def test_scores_are_those_of_the_metrics_table(plain_run: RunWorld, role: str, short: str) -> None:
    metrics = read_table(plain_run.studied.retrieval, "retrieval_metrics")
    summary = summarise(plain_run.told())
    assert {task.task_id for task in summary.tasks} == {"t2i", "i2t", "t2t_name_keywords", "i2i", "it2i"}
    for task in summary.tasks:
        its = {"system_id": f"reference-mllm/{short}", "task_id": task.task_id, "k": task.k, "split": "test"}
        (row,) = metrics.filter(**its).iter_rows(named=True)
        assert task.scores[role] == Score(row["system_id"], row["value"], row["low"], row["high"])
        assert (task.chance, task.n_queries) == (row["chance"], row["n_queries"])


def test_the_other_model_is_shown_raw(plain_run: RunWorld) -> None:
    metrics = read_table(plain_run.models[1].retrieval, "retrieval_metrics")
    for task in summarise(plain_run.told()).tasks:
        value = metrics.filter(system_id="reference-contrastive/raw", task_id=task.task_id, k=5)["value"].item()
        assert task.others["reference-contrastive"].value == value


def test_energy_seats_are_sums_over_the_features_table(plain_run: RunWorld) -> None:
    seats = {seat.sae_id: seat for seat in summarise(plain_run.told()).energy}
    assert list(seats) == ["reference-mllm/paper", "reference-mllm/centred", "reference-contrastive/paper"]
    for sae in (sae for model in plain_run.models for sae in model.saes):
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
    assert summary.strip is not None
    assert summary.lines[0] == f"{summary.strip.line} (reference-mllm)"
    first = summary.lines[1]
    for score in (*summary.headline.scores.values(), *summary.headline.others.values()):
        if score.system_id != "reference-mllm/realign-shuffled_pairs":
            assert percent(score.value) in first


def test_every_claim_has_a_line_with_its_verdict_and_number(claim_inputs: ReportInputs) -> None:
    summary = summarise(claim_inputs)
    lines = summary.lines[-13:]
    for claim, line in zip(summary.verdicts.claims, lines, strict=True):
        assert line.startswith(f"claim {claim.rule.claim} {claim.verdict}: {claim.rule.statement[:-1]} (")
        assert (claim.main.found if claim.main.counting else claim.main.needs) in line
        assert "\n" not in line


def test_a_claim_without_numbers_has_its_reason(claim_run: RunWorld) -> None:
    plain = tuple(replace(model, grid=None) for model in claim_run.models)
    lines = summarise(replace(claim_run, models=plain, repetitions=()).told()).lines
    assert sum(line.endswith("(needs lens sweep, which has not been run)") for line in lines) == 5


def test_a_model_that_was_not_compared_is_not_spoken_of(plain_run: RunWorld) -> None:
    alone = summarise(replace(plain_run, models=plain_run.models[:1]).told())
    assert not any("reference-contrastive" in line for line in alone.lines)
    assert all(task.others == {} for task in alone.tasks)
