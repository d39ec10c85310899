"""Runs that differ are told apart, column by column; what the schema calls volatile is not compared."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from pipeline_core.errors import StoreError
from pipeline_core.schema.parquet import write_table
from pipeline_core.store import manifest as stores
from pipeline_core.store.artifacts import Store
from pipeline_core.store.diff import diff_runs
from pipeline_core.store.fingerprint import StageKey
from pipeline_core.store.journal import RunArtifact, journalled_run


def run(root: Path, values: list[float], speed: float, weight: float = 1.0) -> str:
    """Make a store with an SAE, codes and a completed run; return the path of the run's record."""

    def train(folder: Path) -> None:
        log = pl.DataFrame(
            {
                "sae_id": "s",
                "step": range(1, len(values) + 1),
                "epoch": 1,
                "loss": values,
                "fvu": 0.5,
                "l0": 1.0,
                "dead_share": 0.0,
                "learning_rate": 1.0,
                "tokens_per_second": speed,
            }
        )
        write_table(folder, "sae_training", log)
        kinds = {f"side {n}": "whitening" for n in range(8)}
        save_file({"encoder": np.full(3, weight)}, folder / "sae_weights.safetensors", metadata=kinds)

    def encode(folder: Path) -> None:
        codes = {"sae_id": "s", "rep_id": "r", "level": "pooled", "sample_id": "a", "prompt_id": "p"}
        write_table(folder, "codes", pl.DataFrame([codes | {"features": [1, 2], "values": values[:2]}]), 0)

    made = [
        Store(root).materialize(StageKey(stage, 1), build)[0] for stage, build in (("sae", train), ("codes", encode))
    ]
    listed = [RunArtifact(name=a.stage, stage=a.stage, fingerprint=a.fingerprint) for a in made]
    with journalled_run(root, "analyze", {}, listed) as done:
        pass
    return str(root / "runs" / f"{done.record.run_id}.json")


@pytest.fixture
def base(tmp_path) -> str:
    return run(tmp_path / "one", [1.0, 2.0, 3.0], speed=10.0)


def differences(tmp_path, base: str, other: str) -> list[str]:
    return [d.what for d in diff_runs(tmp_path, base, other)]


def test_volatile_columns_are_not_compared(tmp_path, base) -> None:
    assert differences(tmp_path, base, run(tmp_path / "two", [1.0, 2.0, 3.0], speed=99.0)) == []


def test_a_changed_value_is_placed(tmp_path, base) -> None:
    found = differences(tmp_path, base, run(tmp_path / "two", [1.0, 2.0, 4.0], speed=10.0))
    assert found == ["table sae_training, column loss: 1 rows differ, the first at (s, 3)"]


def test_a_changed_list_is_placed(tmp_path, base) -> None:
    found = differences(tmp_path, base, run(tmp_path / "two", [1.0, 2.5, 3.0], speed=10.0))
    assert "table codes, column values: 1 rows differ, the first at (s, r, pooled, a, p)" in found


def test_missing_rows_and_other_weights_are_told(tmp_path, base) -> None:
    found = differences(tmp_path, base, run(tmp_path / "two", [1.0, 2.0], speed=10.0, weight=2.0))
    assert found == ["table sae_training has 3 rows and 2", "sae_weights.safetensors has other weights"]


def test_a_run_that_is_not_over_is_refused(tmp_path, base) -> None:
    with journalled_run(tmp_path, "analyze", {}, []) as going_on, pytest.raises(StoreError, match="is running"):
        diff_runs(tmp_path, base, going_on.record.run_id)


def test_a_run_of_another_schema_is_refused(tmp_path, base, monkeypatch) -> None:
    monkeypatch.setattr(stores, "schema_version", lambda stage: 0)
    old = run(tmp_path / "old", [1.0, 2.0, 3.0], speed=10.0)
    with pytest.raises(StoreError, match=r"the run \S+ has tables of sae in version 0, not 8") as caught:
        diff_runs(tmp_path, base, old)
    assert Path(old).stem in str(caught.value)


def verdicts(root: Path, measured: float, timed: float) -> str:
    """Make a store with a report of two verdicts, the second on measured time; return the path of the run's record."""

    def judge(folder: Path) -> None:
        rows = [(6, "raises", measured, False), (9, "cost", timed, True)]
        fixed = {"case": "m", "repetition": 0, "outcome": "supports", "left_out": None}
        numbers = {"low": 0.1, "high": 3.0, "p": 0.01, "q": 0.01, "detectable": 0.1}
        cases = [
            {"claim": n, "part": part, "value": value, "timed": is_timed} | fixed | numbers
            for n, part, value, is_timed in rows
        ]
        frame = pl.DataFrame(cases, schema_overrides={"left_out": pl.String})
        write_table(folder, "claim_cases", frame)

    made, _ = Store(root).materialize(StageKey("report", 1), judge)
    listed = [RunArtifact(name="report", stage="report", fingerprint=made.fingerprint)]
    with journalled_run(root, "sweep", {}, listed) as done:
        pass
    return str(root / "runs" / f"{done.record.run_id}.json")


def test_verdicts_on_measured_time_may_differ(tmp_path) -> None:
    base = verdicts(tmp_path / "one", 1.0, 0.5)
    assert differences(tmp_path, base, verdicts(tmp_path / "two", 1.0, 0.7)) == []
    (other,) = differences(tmp_path, base, verdicts(tmp_path / "three", 2.0, 0.5))
    assert "claim_cases" in other
    assert "value" in other
