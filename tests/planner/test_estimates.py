"""What a plan will take, beside what a small run took: rows to the last, bytes to a tenth."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline_core.planner import estimates
from pipeline_core.planner.estimates import Estimates, estimate
from pipeline_core.planner.plan import Plan
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.store.artifacts import Store
from pipeline_core.store.journal import read_runs
from tests.small import small_config

STORED = ("activations", "sae", "codes")
UNCOUNTED = ("refused/", "long_texts/")
"""Tables that are empty but for what a model cannot take; in a small run their files weigh as much as others'."""


def planned(store: Path, *settings: str) -> Plan:
    """Plan the run that the store holds, with some other settings."""
    path = read_runs(store)[-1].config["dataset"]["path"]
    return plan_analysis(small_config(path, "model.name=reference-contrastive", "compare_with=[]", *settings))


def seconds(found: Estimates) -> dict[str, float | None]:
    return {step.step.partition("/")[0]: step.seconds for step in found.steps}


def test_rows_are_exact_and_bytes_near(inline_store: Path) -> None:
    plan, store = planned(inline_store), Store(inline_store)
    (dataset,) = plan.of_stage("dataset")
    rows = estimates.count_rows(store.folder(dataset.key), prompts=False)
    made = store.get(plan.of_stage("activations")[0].key).manifest.rows
    assert (rows.requests, rows.kept) == (made["embeddings"], made["tokens"])
    assert rows.samples == store.get(dataset.key).manifest.rows["samples"]
    # Another precision is another model to the store: nothing tells but what the stages know.
    found = estimate(planned(inline_store, "model.dtype=bfloat16"), store)
    assert found.counts[False] == rows
    told = {step.step.partition("/")[0]: step.n_bytes for step in found.steps}
    for stage in STORED:
        files = store.get(plan.of_stage(stage)[0].key).manifest.files
        taken = sum(file.size for file in files if not file.path.startswith(UNCOUNTED))
        assert told[stage] == pytest.approx(taken, rel=0.1), stage


def test_times_are_those_of_the_nearest_build(inline_store: Path) -> None:
    plan, store = planned(inline_store, "features.share=0.2"), Store(inline_store)
    found = estimate(plan, store)
    assert {step.step.partition("/")[0] for step in found.steps} == {"features", "retrieval", "index", "report"} - {
        name.partition("/")[0] for name, status in plan.status(store).items() if status == "present"
    }
    was = store.get(planned(inline_store).of_stage("features")[0].key).manifest
    (features,) = (step for step in found.steps if step.step.startswith("features"))
    assert features.seconds == was.seconds
    assert features.built == f"{was.created:%Y-%m-%d}"
    assert found.flops is None


def test_without_a_build_rates_are_scaled_to_this_machine(inline_store: Path, tmp_path: Path) -> None:
    plan = planned(inline_store)
    slow, fast = (estimate(plan, Store(tmp_path), lambda threads, flops=flops: flops) for flops in (1e10, 1e11))
    assert slow.counts == {}
    assert {step.built for step in slow.steps} == {None}
    for stage, taken in seconds(slow).items():
        assert taken == pytest.approx(10 * (seconds(fast)[stage] or 0))
    rows = estimates._thousand({"requests": 1.25, "kept": 0.31, "items": 0.8})
    # 2 operations a weight and token, at the share of a product that extraction reaches.
    tokens = 0.5 * 49 + rows.characters / 4
    assert seconds(fast)["activations"] == pytest.approx(2 * 26_831_441 * tokens * 1250 / 0.7 / 1e11)


def test_memory_grows_with_batch_and_precision(inline_store: Path) -> None:
    def work(*settings: str) -> estimates.Memory:
        found = estimate(planned(inline_store, "model.dtype=bfloat16", *settings), Store(inline_store))
        return found.memory["reference-contrastive"]

    small, large = work(), work("placement.batch_size=800")
    assert small.weights == large.weights == 2 * 26_831_441
    assert large.work > 2 * small.work
    assert small.total == small.libraries + small.weights + small.work


def test_a_data_set_of_another_size_scales_what_was_built(inline_store: Path) -> None:
    plan, store = planned(inline_store, "features.share=0.2"), Store(inline_store)
    (features,) = plan.of_stage("features")
    builds = [artifact.manifest for artifact in store.artifacts()]
    near = estimates.nearest(features, builds)
    assert near is not None
    assert estimates._samples(near, builds) == 96
    elsewhere = features.subject.placement.model_copy(update={"device": "cuda"})
    away = replace(features, subject=replace(features.subject, placement=elsewhere))
    assert estimates.nearest(away, builds) is None


def test_this_machine_is_looked_at_in_a_moment() -> None:
    assert estimates.probe_flops(1, 0.02) > 1e8
    assert estimates.probe_flops(1, 0.0) > 1e8, "time that is over before the first product"
