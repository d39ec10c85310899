"""Steps that one pass over their inputs builds together: each is published in its own turn."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline_core.config import AnalysisConfig
from pipeline_core.planner.execution import carry_out
from pipeline_core.planner.plan import Plan
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.sae.stage import Sae
from pipeline_core.schema.parquet import read_table
from pipeline_core.stage import SaeSubject, Work
from pipeline_core.store.artifacts import Store
from pipeline_core.store.journal import read_runs

NAMES = ("paper", "wide", "seeded", "brought")
PAPER, WIDE, SEEDED, BROUGHT = (f"sae/reference-contrastive/{name}" for name in NAMES)

pytestmark = pytest.mark.slow


def silent(done: int, total: int) -> None:
    """Take progress and say nothing."""


def fails(*_: object) -> None:
    raise OSError(5, "not judged")


def planned(inline_store: Path, workers: int = 1) -> Plan:
    """Plan what the store's run has embedded, with two autoencoders of one stream and two that are not of it."""
    config = read_runs(inline_store)[0].config
    contrastive = {"model": {"name": "reference-contrastive"}, "compare_with": []}
    few = {"states": "vectors", "features": 64, "k": 4, "epochs": 2, "batch_size": 16}
    brought = next((inline_store / "sae").glob("*/sae_weights.safetensors")).parent
    saes = [
        {"name": "paper", **few},
        {"name": "wide", **few, "features": 96, "epochs": 3},
        {"name": "seeded", **few, "seed": 1},
        {"name": "brought", "from": str(brought), "states": "vectors"},
    ]
    placement = {**config["placement"], "workers": workers}
    changes = {**contrastive, "sae": saes, "placement": placement}
    return plan_analysis(AnalysisConfig.model_validate({**config, **changes}))


@pytest.fixture
def plan(inline_store: Path) -> Plan:
    return planned(inline_store)


@pytest.fixture
def store(plan: Plan, inline_store: Path, tmp_path: Path) -> Store:
    """A store with the inputs of autoencoders."""
    store = Store(tmp_path / "store")
    for name in ("dataset", "activations/reference-contrastive"):
        key = plan.steps[name].key
        store.folder(key).parent.mkdir(parents=True)
        store.folder(key).symlink_to(Store(inline_store).folder(key))
    return store


def test_those_of_one_stream_are_fellows(plan: Plan) -> None:
    fellows = {name: [other.name for other in plan.fellows(plan.steps[name])] for name in plan.steps}
    assert {name: others for name, others in fellows.items() if others} == {PAPER: [WIDE], WIDE: [PAPER]}


def test_a_fellow_is_there_in_its_own_turn(plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[list[str]] = []
    real = Sae.build_together

    def build(self: Sae, works: Sequence[Work[SaeSubject]]) -> Sequence[float]:
        trained.append([work.subject.sae for work in works])
        return real(self, works)

    monkeypatch.setattr(Sae, "build_together", build)
    first, _ = carry_out(plan, PAPER, store, silent)
    assert store.status(plan.steps[WIDE].key) == "missing"
    assert (store.unfinished(plan.steps[WIDE].key) / "sae_weights.safetensors").is_file()
    second, artifact = carry_out(plan, WIDE, store, silent)
    assert (first.cached, second.cached) == (False, False)
    assert first.seconds > 0
    assert second.seconds == artifact.manifest.seconds
    assert sorted(file.name for file in artifact.folder.iterdir()) == sorted(
        ["cfg.json", "manifest.json", "sae_data.parquet", "sae_training.parquet", "sae_weights.safetensors"]
    )
    for name in (SEEDED, BROUGHT):
        carry_out(plan, name, store, silent)
    assert trained == [["paper", "wide"], ["wide"], ["seeded"], ["brought"]]


def test_the_seconds_are_those_that_each_took(plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Sae.build_together
    told: list[float] = []

    def build(self: Sae, works: Sequence[Work[SaeSubject]]) -> Sequence[float]:
        started, seconds = time.monotonic(), real(self, works)
        told.append(time.monotonic() - started)
        return [*seconds[:1], *(1000.0 for _ in works[1:])]

    monkeypatch.setattr(Sae, "build_together", build)
    first, _ = carry_out(plan, PAPER, store, silent)
    second, _ = carry_out(plan, WIDE, store, silent)
    assert first.seconds == pytest.approx(told[0] - 1000, abs=60)
    assert 1000 < second.seconds < 1060


def test_a_build_that_failed_after_its_fellow_was_built_counts_nothing_twice(
    plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, pytest.raises(OSError, match="not judged"):
        patched.setattr(Sae, "limits", fails)
        carry_out(plan, PAPER, store, silent)
    first, _ = carry_out(plan, PAPER, store, silent)
    second, _ = carry_out(plan, WIDE, store, silent)
    assert first.seconds > 0
    assert second.seconds > 0


def test_one_that_another_run_builds_is_left_to_it(plan: Plan, store: Store) -> None:
    with store.claimed(plan.steps[WIDE].key):
        carry_out(plan, PAPER, store, silent)
    assert not (store.unfinished(plan.steps[WIDE].key) / "sae_weights.safetensors").is_file()


def test_of_several_workers_each_builds_one(inline_store: Path, plan: Plan, store: Store) -> None:
    carry_out(planned(inline_store, workers=2), PAPER, store, silent)
    assert not (store.unfinished(plan.steps[WIDE].key) / "sae_weights.safetensors").is_file()


def test_one_that_is_there_is_not_built_again(plan: Plan, store: Store) -> None:
    carry_out(plan, WIDE, store, silent)
    weights = store.folder(plan.steps[WIDE].key) / "sae_weights.safetensors"
    before = weights.stat().st_mtime_ns
    carry_out(plan, PAPER, store, silent)
    assert weights.stat().st_mtime_ns == before
    assert carry_out(plan, WIDE, store, silent)[0].cached


def test_a_fault_of_a_fellow_is_told_in_its_own_turn(
    plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = Sae.build_together

    def build(self: Sae, works: Sequence[Work[SaeSubject]]) -> Sequence[float]:
        if "wide" in [work.subject.sae for work in works]:
            raise ValueError("no width for that")
        return real(self, works)

    monkeypatch.setattr(Sae, "build_together", build)
    carry_out(plan, PAPER, store, silent)
    assert f"{PAPER}: not built together with {WIDE} (no width for that)" in caplog.text
    assert len(read_table(store.folder(plan.steps[PAPER].key), "sae_training")) > 0
    with pytest.raises(ValueError, match="no width for that"):
        carry_out(plan, WIDE, store, silent)
