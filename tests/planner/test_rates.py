"""What lens bench measured: kept, and used in the place of shipped rates."""

from pathlib import Path

import pytest

from flows.bench_command import bench
from pipeline_core.placement import Placement
from pipeline_core.planner.bench import measure_rates
from pipeline_core.planner.estimates import MEASURED, REFERENCE, estimate
from pipeline_core.planner.rates import Rates, keep_rates, kept_at, kept_rates
from pipeline_core.store.artifacts import Store
from tests.planner.test_estimates import planned

RATES = Rates("2030-01-01", 1e11, 2e10, 3e10, 1e8, 5e8)


@pytest.fixture
def placement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Placement:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Placement(threads=3)


def test_rates_are_kept_for_a_device_and_a_number_of_threads(placement: Placement) -> None:
    assert kept_rates(placement) is None
    keep_rates(RATES, placement)
    assert kept_rates(placement) == RATES
    assert kept_rates(Placement(threads=2)) is None
    kept_at(placement).write_text('{"flops": 1}')
    assert kept_rates(placement) is None


def test_where_nothing_can_be_kept_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr("pipeline_core.planner.bench.measure_rates", lambda *given, **named: pytest.fail("measured"))
    with pytest.raises(NotADirectoryError):
        bench()


def test_times_and_memory_come_from_what_was_measured(inline_store: Path, tmp_path: Path) -> None:
    """Extraction by operations of the model, training by those of the encoder's product, both with their bytes."""
    plan, store = planned(inline_store), Store(tmp_path)
    known = {step.step.partition("/")[0]: step for step in estimate(plan, store, lambda threads: 1e11).steps}
    found = estimate(plan, store, kept=RATES)
    measured = {step.step.partition("/")[0]: step for step in found.steps}
    assert {name for name, step in measured.items() if step.rate == MEASURED} == {"activations", "sae"}
    assert {step.rate for step in known.values()} == {REFERENCE}
    for name, share, rate in (("activations", 0.7, RATES.extraction), ("sae", 0.6, RATES.training)):
        operations = (known[name].seconds or 0) * share * 1e11
        written = (known[name].n_bytes or 0) / RATES.disk
        assert operations > 0
        assert measured[name].seconds == pytest.approx(operations / rate + written)
    assert measured["features"].seconds == pytest.approx(known["features"].seconds)
    assert {memory.libraries for memory in found.memory.values()} == {RATES.libraries}


def test_an_autoencoder_of_other_settings_is_not_estimated_by_one_that_was_built(inline_store: Path) -> None:
    one = "name: other, states: vectors, features: 64, k: 4, batch_size: 16"
    plans = (planned(inline_store, f"sae=[{{{one}, epochs: {epochs}}}]") for epochs in (7, 14))
    once, twice = (
        next(
            step
            for step in estimate(plan, Store(inline_store), lambda threads: 1e11).steps
            if step.step.startswith("sae")
        )
        for plan in plans
    )
    assert once.built is twice.built is None
    assert twice.seconds == pytest.approx(2 * (once.seconds or 0))


@pytest.mark.long
def test_everything_is_measured(tmp_path: Path) -> None:
    told: list[str] = []
    rates = measure_rates(Placement(threads=1, batch_size=4), tmp_path / "store", 0.1, told.append)
    assert told == ["product", "disk", "extraction", "training"]
    assert rates.flops > rates.extraction > 1e7
    # A step may take less than the encoder's product alone, which it counts as: it is screened in bfloat16.
    assert 4 * rates.flops > rates.training > 1e8
    assert rates.disk > 1e5
    assert 1e8 < rates.libraries < 4e9
    assert not list((tmp_path / "store").iterdir())
