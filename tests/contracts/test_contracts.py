"""What a broken contract says: one line with table, column, rule, observed value and offending rows."""

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_core.contracts.judge import Judge
from pipeline_core.contracts.suites import Expectation, Meta, load_contract
from pipeline_core.contracts.validation import check_artifact, validate_artifact
from pipeline_core.errors import ContractError
from pipeline_core.schema import TABLES
from pipeline_core.store.artifacts import Store
from pipeline_core.store.fingerprint import StageKey
from pipeline_core.store.peak import forget_peak, peak_memory
from tests.contracts.artifacts import good_tables, write_tables


def message(stage: str, folder: Path, **parameters: int) -> str:
    with pytest.raises(ContractError) as caught:
        validate_artifact(stage, folder, parameters)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("stage", "table", "changes", "told"),
    [
        ("dataset", "samples", {"split": "dev"}, ["column split", "split_unknown", '"dev"', '"image:new"']),
        ("dataset", "samples", {"text": "a cat"}, ["column text", "text_of_a_picture", '"a cat"', '"image:new"']),
        ("dataset", "samples", {"split": "test"}, ["column split", "group_straddles_splits", '"cat"', '"train"']),
        ("dataset", "qrels", {"sample_id": "image:cat"}, ["column sample_id", "not_a_candidate", '"image:cat"']),
        ("activations", "embeddings", {"vector": [float("nan"), 1.0]}, ["column vector", "not_finite", "image:new"]),
        ("activations", "embeddings", {"vector": [0.0, 0.0]}, ["column vector", "zero_vector", "0.0", "image:new"]),
        ("activations", "tokens", {"vector": [float("inf"), 1.0]}, ["column vector", "not_finite", "Infinity"]),
        ("codes", "codes", {"values": [0.0, 1.0]}, ["column values", "value_not_positive", "0.0", "image:new"]),
        ("codes", "codes", {"features": [3, 9]}, ["column features", "feature_beyond_dictionary", "9", "image:new"]),
        ("features", "features", {"feature_id": 3, "frequency": 1.5}, ["column frequency", "between", "1.5"]),
        (
            "retrieval",
            "retrieval_hits",
            {"rank": 3, "score": float("nan")},
            ["column score", "score_is_missing", "NaN"],
        ),
        (
            "retrieval",
            "retrieval_hits",
            {"rank": 3, "score": float("inf")},
            ["column score", "score_no_cosine", "Infinity"],
        ),
        ("dataset", "samples", {"image_ref": "file:a\nb"}, ["column image_ref", "image_ref_of_no_form"]),
        (
            "retrieval",
            "systems",
            {"system_id": "m/new", "fit_on": "test_queries"},
            ["transductive_in_disguise", "m/new"],
        ),
        ("grid", "systems", {"system_id": "m/new", "study": "main"}, ["column study", "studies_mixed", "layers"]),
        ("doses", "systems", {"system_id": "m/new", "named": True}, ["column named", "named_in_a_sweep", "m/new"]),
        ("attention", "attention_mass", {}, ["column role", "roles_incomplete", "image:new"]),
        ("attention", "attention_maps", {"weights": [1.0]}, ["column weights", "cells_missing", "image:new"]),
        ("efficiency", "efficiency", {"n_candidates": 5}, ["column operation", "operation_missing", "fit"]),
        ("report", "models", {"model": "other", "place": 3}, ["column place", "places_out_of_order", "other"]),
        ("warehouse", "paper_values", {"model": "m", "value": 120.0}, ["recall_no_percentage", "120.0"]),
    ],
)
def test_one_broken_row_is_told(stage: str, table: str, changes: dict[str, Any], told: list[str], tmp_path) -> None:
    tables = good_tables(stage)
    new = {"sample_id": "image:new"} if "sample_id" in tables[table][0] else {}
    tables[table].append({**tables[table][0], **new, **changes})
    write_tables(tmp_path, tables)
    text = message(stage, tmp_path, width=5, k=2)
    assert f"table {table}" in text
    for part in told:
        assert part in text


CASE, PART, CLAIM = "claim_cases", "claim_parts", "claims"


@pytest.mark.parametrize(
    ("edits", "broken"),
    [
        ({}, set()),
        ({(CLAIM, 0): {"verdict": "refuted"}}, {"verdict_against_parts"}),
        ({(CLAIM, 2): {"verdict": "holds"}}, {"verdict_against_parts"}),
        ({(CLAIM, 2): {"needs": None}}, {"needs_without_cause"}),
        ({(PART, 1): {"verdict": "holds"}}, {"verdict_against_rule", "verdict_against_parts"}),
        ({(PART, 1): {"decides": False}}, {"verdict_against_parts"}),
        ({(PART, 1): {"needed": "all"}}, set()),
        ({(PART, 1): {"needed": "any"}}, {"verdict_against_rule"}),
        ({(PART, 1): {"needed": "any", "verdict": "holds"}, (CLAIM, 1): {"verdict": "holds"}}, set()),
        ({(PART, 0): {"value": 0.4}}, {"value_no_mean"}),
        ({(PART, 0): {"threshold": 0.25}}, {"outcome_against_rule"}),
        ({(PART, 0): {"direction": "below"}}, {"outcome_against_rule"}),
        ({(PART, 0): {"direction": "below", "threshold": 0.5}}, set()),
        ({(PART, 0): {"direction": "within", "threshold": 0.5}}, set()),
        ({(PART, 0): {"direction": "within", "threshold": 0.3}}, {"outcome_against_rule"}),
        ({(CASE, 0): {"q": 0.05}}, {"outcome_against_rule"}),
        ({(CASE, 0): {"q": None}}, {"outcome_against_rule"}),
        ({(CASE, 0): {"q": 0.001}}, {"correction_lowers_p"}),
        ({(CASE, 0): {"left_out": "floor"}}, {"outcome_against_rule"}),
        ({(CASE, 0): {"q": 0.05, "outcome": "open"}}, {"cases_miscounted"}),
        ({(CASE, 1): {"case": "t2i", "repetition": 1}}, {"cases_miscounted"}),
        ({(PART, 2): {"timed": True}}, {"timed_unlike_parts"}),
        ({(PART, 2): {"timed": True}, (CLAIM, 2): {"timed": True}}, set()),
        ({(PART, 0): {"timed": True}, (CLAIM, 0): {"timed": True}}, {"timed_unlike_part"}),
    ],
)
def test_verdicts_are_checked_against_their_rules(
    edits: dict[tuple[str, int], dict[str, Any]], broken: set[str], tmp_path: Path
) -> None:
    tables = good_tables("report")
    for (table, row), changes in edits.items():
        tables[table][row].update(changes)
    write_tables(tmp_path, tables)
    with duckdb.connect() as connection:
        for name in tables:
            connection.execute(f"CREATE TABLE {name} AS FROM '{tmp_path / TABLES[name].file_name}'")
        rules = [rule for name in tables for rule in load_contract(name).violations]
        assert {rule.name for rule in rules if connection.execute(rule.sql).fetchall()} == broken


def test_repeated_keys_are_told(tmp_path: Path) -> None:
    tables = good_tables("activations")
    for name in ("representations", "embeddings"):
        tables[name].append(tables[name][0])
    write_tables(tmp_path, tables)
    text = message("activations", tmp_path)
    assert "table representations, column rep_id" in text
    assert "m/L0" in text
    tables["representations"].pop()
    write_tables(tmp_path, tables)
    text = message("activations", tmp_path)
    assert "table embeddings breaks duplicate_key" in text
    assert "image:cat" in text


def test_at_most_five_rows_are_told(tmp_path: Path) -> None:
    tables = good_tables("activations")
    tables["embeddings"] += [{**tables["embeddings"][0], "sample_id": f"s{n}", "vector": [0.0, 0.0]} for n in range(9)]
    write_tables(tmp_path, tables)
    text = message("activations", tmp_path)
    assert '"count": 9' in text
    assert text.count("sample_id") == 5


def test_a_missing_table_is_told(tmp_path: Path) -> None:
    write_tables(tmp_path, good_tables("sae"))
    (tmp_path / "sae_training.parquet").unlink()
    assert "table sae_training is missing" in message("sae", tmp_path)


def test_a_missing_column_is_told(tmp_path: Path) -> None:
    write_tables(tmp_path, good_tables("sae"))
    path = tmp_path / "sae_training.parquet"
    pq.write_table(pq.read_table(path).drop_columns("fvu"), path)
    assert "table sae_training, column fvu breaks columns_match_schema: absent instead of double" in message(
        "sae", tmp_path
    )


def test_a_column_of_another_type_is_told(tmp_path: Path) -> None:
    write_tables(tmp_path, good_tables("sae"))
    path = tmp_path / "sae_training.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(1, "step", table["step"].cast(pa.int64())), path)
    assert "column step breaks columns_match_schema: int64 instead of int32" in message("sae", tmp_path)


def test_vectors_may_be_kept_in_half_precision_and_in_no_other(tmp_path: Path) -> None:
    write_tables(tmp_path, good_tables("activations"))
    path = next((tmp_path / "embeddings").iterdir())
    table = pq.read_table(path)
    for kept, told in ((pa.float16(), None), (pa.float64(), "list<element: double> instead of list<item: float>")):
        vectors = table["vector"].cast(pa.list_(kept))
        pq.write_table(table.set_column(table.column_names.index("vector"), "vector", vectors), path)
        if told:
            assert told in message("activations", tmp_path)
        else:
            validate_artifact("activations", tmp_path, {})


def test_a_truncated_file_is_told(tmp_path: Path) -> None:
    write_tables(tmp_path, good_tables("sae"))
    path = tmp_path / "sae_training.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    assert "table sae_training cannot be read" in message("sae", tmp_path)


def test_a_missing_vector_is_told(tmp_path: Path) -> None:
    tables = good_tables("activations")
    tables["embeddings"].append({**tables["embeddings"][0], "sample_id": "s", "vector": None})
    write_tables(tmp_path, tables)
    assert "table embeddings cannot be read" in message("activations", tmp_path)


def test_an_expectation_that_raises_is_broken() -> None:
    about = {"kwargs": {"column": "absent"}, "meta": Meta(reason="a test")}
    kinds = ("expect_column_values_to_not_be_null", "expect_column_max_to_be_between")
    outcomes = Judge().outcomes(pd.DataFrame({"there": [1]}), [Expectation(type=k, **about) for k in kinds], [])
    assert [success for success, _ in outcomes] == [False, False]
    assert all("absent" in observed["error"] for _, observed in outcomes)


def test_a_broken_warning_is_recorded_only(tmp_path: Path) -> None:
    tables = good_tables("sae")
    tables["sae_training"][-1]["fvu"] = 1.5
    write_tables(tmp_path, tables)
    broken = [r for r in validate_artifact("sae", tmp_path) if not r.success]
    assert [(r.expectation, r.severity) for r in broken] == [("nothing_learned", "warning")]
    assert "1.5" in (broken[0].observed or "")


def test_millions_of_judgements_are_read_where_they_lie(tmp_path: Path) -> None:
    n = 3_000_000
    write_tables(tmp_path, good_tables("dataset"))
    check_artifact("dataset", tmp_path)  # libraries are loaded
    path = tmp_path / TABLES["qrels"].file_name
    row = pq.read_table(path).slice(0, 1)
    columns = {name: pa.repeat(row[name][0], n) for name in row.column_names}
    columns |= {"sample_id": [f"image:{number}" for number in range(n)], "relevance": [*range(n)]}
    pq.write_table(pa.table(columns, schema=row.schema), path)
    del columns
    forget_peak()
    before = peak_memory()
    broken = {r.expectation: r.observed for r in check_artifact("dataset", tmp_path) if not r.success}
    # As a data frame they took 1,200 MiB.
    assert peak_memory() - before < 600 * 2**20
    assert '"count": 1' in str(broken["not_relevant"])
    assert f'"count": {n}' in str(broken["not_a_candidate"])


def test_rules_without_their_parameters_are_not_recorded(tmp_path: Path) -> None:
    write_tables(tmp_path, good_tables("codes"))
    names = {r.expectation for r in validate_artifact("codes", tmp_path)}
    assert "more_active_than_k" not in names
    assert "more_active_than_k" in {r.expectation for r in validate_artifact("codes", tmp_path, {"k": 2})}
    assert "more_active_than_k" in message("codes", tmp_path, k=1)


def test_every_rule_has_a_reason() -> None:
    contract = load_contract("tasks")
    assert all(e.meta.reason for e in contract.expectations)
    assert all(v.reason for v in contract.violations)


def test_a_broken_contract_publishes_nothing(tmp_path: Path) -> None:
    store, key = Store(tmp_path), StageKey("sae", 1)
    tables = good_tables("sae")
    tables["sae_training"][0]["loss"] = float("nan")
    with pytest.raises(ContractError, match="column loss"):
        store.materialize(
            key, lambda f: write_tables(f, tables), lambda f: [vars(r) for r in validate_artifact("sae", f)]
        )
    assert store.status(key) == "missing"
    assert store.artifacts() == []


def test_a_table_that_is_one_file_too_many_breaks_no_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tables(tmp_path, good_tables("codes"))

    def refuse(file: Path) -> None:
        raise OSError(f"[Errno 24] Failed to open local file '{file}'. Detail: [errno 24] Too many open files")

    monkeypatch.setattr("pipeline_core.contracts.validation.pq.read_schema", refuse)
    with pytest.raises(OSError, match=r"^\[Errno 24\] Too many open files$"):
        validate_artifact("codes", tmp_path)
