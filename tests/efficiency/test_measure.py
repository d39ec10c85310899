"""Costs of adaptation and search: complete rows, memory that is really seen, and pools that memory has no room for."""

import logging
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline_core.contracts.validation import check_artifact
from pipeline_core.efficiency.measure import (
    best_of_product,
    measure_efficiency,
    measured,
    sizes_that_fit,
    synthetic_vectors,
)
from pipeline_core.efficiency.settings import EfficiencySettings
from pipeline_core.errors import DataError
from pipeline_core.retrieval.adaptations.realign import RealignSettings
from pipeline_core.retrieval.maps import unit
from pipeline_core.retrieval.search import search
from pipeline_core.schema.parquet import read_table

OPERATIONS = ("fit", "decompose", "apply", "search", "product")
GIB = 1 << 30


@pytest.fixture
def table(tmp_path: Path) -> pl.DataFrame:
    settings = EfficiencySettings(candidates=(300, 100), queries=20, more_queries=(5,), widths=(16, 24), swept_at=200)
    told: list[tuple[int, int]] = []
    measure_efficiency(
        "model", 16, settings, RealignSettings(), tmp_path, lambda done, total: told.append((done, total))
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert all(result.success for result in check_artifact("efficiency", tmp_path))
    return read_table(tmp_path, "efficiency")


def test_every_operation_is_measured_under_every_condition(table: pl.DataFrame) -> None:
    conditions = {(16, 100, 5), (16, 100, 20), (16, 300, 20), (24, 100, 5), (24, 100, 20)}
    assert set(table.select("operation", "width", "n_candidates", "n_queries").rows()) == {
        (operation, *condition) for operation in OPERATIONS for condition in conditions
    }
    assert len(table) == len(OPERATIONS) * len(conditions)
    assert (table["seconds"] > 0).all()
    of_candidates = table.filter(pl.col("operation").is_in(["fit", "decompose", "apply"]))
    times = of_candidates.group_by("operation", "width", "n_candidates").agg(pl.col("seconds").n_unique())
    assert set(times["seconds"]) == {1}


def test_pools_smaller_than_what_is_swept_are_swept_at_the_smallest(tmp_path: Path) -> None:
    settings = EfficiencySettings(candidates=(100,), queries=20, more_queries=(5,), widths=(), swept_at=50)
    measure_efficiency("model", 16, settings, RealignSettings(), tmp_path, lambda *_: None)
    assert read_table(tmp_path, "efficiency").select("n_candidates", "n_queries").unique().height == 2


def test_the_plain_product_finds_what_search_finds() -> None:
    queries, candidates = (unit(synthetic_vectors(n, 16, name)) for n, name in ((30, "queries"), (500, "candidates")))
    none = np.empty((0, 2), dtype=np.int64)
    found = search(queries, candidates, none, none, 10).candidates
    assert np.array_equal(best_of_product(queries, candidates, 10).numpy(), found)


def test_memory_of_an_operation_is_what_it_holds_above_the_start() -> None:
    held = np.ones(64 << 17)
    result, cost = measured(lambda: np.ones(128 << 17), 1)
    assert len(result) == 2 * len(held)
    assert 0.95 * result.nbytes < cost.peak_memory_bytes < 1.5 * result.nbytes


def test_memory_that_is_given_back_before_the_end_counts() -> None:
    _, cost = measured(lambda: np.ones(128 << 17).sum() + np.ones(128 << 17).sum(), 5)
    assert 0.9 * (128 << 20) < cost.peak_memory_bytes < 1.5 * (128 << 20)


def test_time_is_the_best_of_the_repeats_and_memory_the_highest(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((0.0, 3.0, 10.0, 10.5, 20.0, 22.0))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    sizes = iter((1, 128 << 17, 1))
    _, cost = measured(lambda: np.ones(next(sizes)), 3)
    assert cost.seconds == 0.5
    assert cost.peak_memory_bytes > 0.9 * (128 << 20)


def test_an_error_inside_an_operation_comes_through_and_leaves_no_thread() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        measured(lambda: 1 / 0, 1)
    assert threading.active_count() == before


def test_vectors_are_anisotropic_and_a_smaller_pool_is_part_of_a_larger() -> None:
    vectors = synthetic_vectors(2000, 64, "candidates")
    assert vectors.dtype == np.float32
    assert np.array_equal(synthetic_vectors(50, 64, "candidates"), vectors[:50])
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    assert norms.mean() == pytest.approx(1.0, abs=0.01)
    assert np.linalg.norm(vectors.mean(axis=0)) == pytest.approx(0.95, abs=0.01)
    queries = synthetic_vectors(50, 64, "queries")
    assert not np.array_equal(queries, vectors[:50])
    assert np.linalg.norm(queries.mean(axis=0)) == pytest.approx(0.95, abs=0.02)


def test_pools_without_room_are_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    sizes = (1_000_000, 1_000, 100_000)
    with caplog.at_level(logging.WARNING):
        assert sizes_that_fit(sizes, 576, 7 * GIB) == [1_000, 100_000, 1_000_000]
        assert caplog.messages == []
        assert sizes_that_fit(sizes, 576, 4 * GIB) == [1_000, 100_000]
    assert caplog.messages == ["efficiency: 1000000 candidates need 6.3 GiB and 4.0 are free; left out"]
    assert sizes_that_fit(sizes, 576, 0) == [1_000]


def test_one_vector_is_no_pool(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few for a covariance"):
        settings = EfficiencySettings(candidates=(1,), queries=2)
        measure_efficiency("model", 8, settings, RealignSettings(), tmp_path, lambda done, total: None)
