"""The means that a report opens with are those of the tables, and the fix that is named is the best."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.strip import Strip, strip_of
from pipeline_core.retrieval.estimates import estimate
from tests.report.claim_artifacts import CONTRASTIVE, GENERATIVE, SCORED, TUNED, World
from tests.report.world import RunWorld

FIXES = ("mean_removal", "mean_removal-support", "realign", "realign-support", "zca")


@pytest.fixture(scope="module")
def strip(claim_inputs: ReportInputs) -> Strip:
    with Facts(claim_inputs) as facts:
        found = strip_of(facts)
    assert found is not None
    return found


def test_means_are_over_the_tasks(claim_world: World, strip: Strip) -> None:
    assert (strip.n_tasks, strip.raw) == (len(SCORED), pytest.approx(claim_world.mean_hit(0, "raw")))
    wanted = [(name, pytest.approx(claim_world.mean_hit(0, "raw", name))) for name in (*CONTRASTIVE, *TUNED)]
    assert list(strip.others) == wanted


def test_the_best_fix_needs_no_labels_and_saw_no_query(claim_world: World, strip: Strip) -> None:
    best = max(FIXES, key=lambda short: claim_world.mean_hit(0, short))
    assert strip.best is not None
    assert (strip.best.label, strip.best.value) == (best, pytest.approx(claim_world.mean_hit(0, best)))


def test_its_gain_is_tested_over_families(claim_world: World, strip: Strip) -> None:
    assert strip.best is not None
    families = [
        claim_world.by_family(0, f"{GENERATIVE}/{strip.best.label}", task)
        - claim_world.by_family(0, f"{GENERATIVE}/raw", task)
        for task in SCORED
    ]
    sizes = np.full((len(SCORED), len(families[0])), 2.0)
    found = estimate(np.array(families), sizes, np.full(len(SCORED), 1 / len(SCORED)))
    assert found is not None
    assert (strip.best.delta, strip.best.low, strip.best.high) == pytest.approx((found.value, *found.interval))
    assert strip.best.p == pytest.approx(found.p(0.0))
    assert strip.best.delta == pytest.approx(strip.best.value - strip.raw)
    assert all(said in strip.line for said in (strip.best.label, strip.best.told, CONTRASTIVE[0]))


def test_a_model_without_fixes_has_none(claim_run: RunWorld) -> None:
    bare = replace(claim_run, models=(claim_run.models[1],), repetitions=())
    with Facts(bare.told()) as facts:
        found = strip_of(facts)
    assert found is not None
    assert found.others == ()
