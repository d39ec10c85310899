"""Every rule of every contract holds on good tables and fails on tables broken for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline_core.contracts.suites import contracts_folder, load_contract
from pipeline_core.contracts.validation import check_artifact
from pipeline_core.schema import TABLES, tables_of
from tests.contracts.artifacts import STAGES, Tables, good_tables, write_tables

PARAMETERS = {"k": 2, "width": 5, "epochs": 1, "max_refused_share": 0.2}
NAN, INFINITY = float("nan"), float("inf")

Break = Callable[[Tables], None]


def add(table: str, row: int = 0, **changes: Any) -> Break:
    """Append a copy of a row with some values changed."""
    return lambda tables: tables[table].append({**tables[table][row], **changes})


def edit(table: str, row: int, **changes: Any) -> Break:
    return lambda tables: tables[table][row].update(changes)


SCORED: list[Break] = [
    add(
        "systems",
        adaptation="Magic!",
        rep_ids=[],
        beta=2.0,
        eps=-1.0,
        share=2.0,
        rank=0,
        n_features=0,
        energy_ratio=-1.0,
        label="",
    ),
    add("systems", system_id="m/s9", method="", mask="whim", side="left"),
    add("systems", system_id="m/s1", study="whim", variant="draft", fit_on="test", selection="whim", control="luck"),
    add("systems", system_id="m/s2", adaptation="realign", fit_on=None),
    add("systems", system_id="m/s3", adaptation="realign", fit_on="test_queries"),
    add("systems", system_id="m/s4", adaptation="removal", selection=None),
    add("systems", system_id="m/s5", adaptation="removal", selection="single", sae_id=None),
    add("systems", system_id="m/s6", model="other", study="main"),
    add("systems", system_id="m/s7", study="poolings", adaptation="realign", fit_on="support", named=True),
    add("retrieval_metrics", split="dev", metric="map", k=0, value=2.0, low=2.0, high=-1.0, chance=2.0),
    add("retrieval_metrics", system_id="m/ghost", n_queries=0, n_groups=0, n_candidates=0),
    add("retrieval_metrics", k=10, value=0.01, n_groups=11),
    add("retrieval_ranks", system_id="m/ghost"),
    add("retrieval_ranks", query_id="q2", split="dev", first_relevant_rank=0, n_relevant=0),
    add("comparisons", metric="map", k=0, delta=2.0, low=2.0, high=-2.0, p=2.0, q=-1.0),
    add("comparisons", system_id="m/ghost", baseline_id="m/phantom"),
    add("comparisons", system_id="m/self", baseline_id="m/self"),
]
"""Breaks of the tables that every stage that scores systems writes."""

REMOVED: list[Break] = [
    add("removal_effects", metric="map", k=0, delta=2.0, low=2.0, high=-2.0, p=2.0, q=-1.0),
    add("removal_effects", feature_id=3),
    add("removal_effects", system_id="m/ghost"),
]

BROKEN: dict[str, list[Break]] = {
    "dataset": [
        add("samples", modality="video"),
        add("samples", sample_id="s1", group="g1", split="dev"),
        add("samples", sample_id="s2", image_ref="cat.png"),
        add("samples", sample_id="s3", sha256="abc"),
        add("samples", sample_id="s4", width=0, height=0),
        add("samples", 1, sample_id="s5", text=" "),
        add("samples", sample_id="s6", text="a cat"),
        add("samples", sample_id="s7", width=None),
        add("samples", 1, sample_id="s8", image_ref="file:cat.png"),
        add("samples", sample_id="s9", split="test"),
        add("pairs", split="dev"),
        add("pairs", image_id="name:cat"),
        add("pairs", text_id="image:cat"),
        add("tasks", task_type="v->v"),
        add("tasks", task_id="x1", query_modality="video", candidate_modality="video", primary_k=0),
        add("tasks", task_id="x2", control="prompt_only", unanswered=-1),
        add("tasks", task_id="x3", control_of="t2i"),
        add("tasks", 2, task_id="x4", control_of="t9i"),
        add("tasks", task_id="x5", query_prompt_id="riddle"),
        add("queries", split="dev"),
        add("queries", task_id="t9i"),
        add("queries", query_id="q2", sample_id="name:unicorn"),
        add("queries", query_id="q3", sample_id="image:dog"),
        add("queries", query_id="q4", prompt_id="riddle"),
        add("candidates", split="dev"),
        add("candidates", pool_id="t9i"),
        add("candidates", split=None),
        add("candidates", sample_id="image:unicorn"),
        add("candidates", sample_id="name:dog"),
        add("exclusions", query_id="q9"),
        add("exclusions", sample_id="image:unicorn"),
        add("exclusions", sample_id="image:dog"),
        add("qrels", relevance=0),
        add("qrels", query_id="q9"),
        add("qrels", sample_id="image:cat"),
        add("qrels", sample_id="name:dog"),
        add("prompts", text=""),
        add("quarantine", reason=""),
    ],
    "activations": [
        add(
            "representations",
            layer=-2,
            norm_position="odd",
            pooling="sum",
            mask="some",
            attention_kind="sparse",
            attention="flash",
        ),
        add("representations", 1, rep_id="m/L2", model="other"),
        add("embeddings", sample_id="s1", vector=[NAN, 1.0]),
        add("embeddings", sample_id="s2", vector=[0.0, 0.0]),
        add("embeddings", sample_id="s3", n_tokens=0),
        add("embeddings", sample_id="s4", vector=[1.0]),
        add("embeddings", rep_id="m/L9"),
        add("long_texts", sample_id="s6", n_kept=91, kept="short"),
        add("refused", sample_id="image:dog", fault="bad day", reason=""),
        add("tokens", token_index=7, vector=[INFINITY, 1.0]),
        add("tokens", token_index=8, vector=[1.0]),
        add("tokens", token_index=9, token_role="padding"),
        add("tokens", token_index=-1),
        add("tokens", token_index=10, scale=3.0),
    ],
    "sae": [
        add("sae_training", step=0, epoch=0, loss=-1.0, fvu=-1.0, l0=-1.0, dead_share=2.0, learning_rate=9.0),
        add("sae_training", step=9, fvu=1.5),
        add("sae_data", sae_id="m/a", n_samples=0, n_tokens=1, held_out_tokens=-1, held_out_fvu=-1.0, held_out_l0=-1.0),
        add("sae_data", sae_id="m/b", held_out_l0=None),
    ],
    "codes": [
        add("codes", sample_id="s1", features=[1]),
        add("codes", sample_id="s2", values=[0.0, 1.0]),
        add("codes", sample_id="s3", values=[1.0, INFINITY]),
        add("codes", sample_id="s4", features=[1, 0]),
        add("codes", sample_id="s5", level="token"),
        add("codes", sample_id="s6", features=[], values=[]),
        add("codes", sample_id="s7", features=[0, 5]),
        add("codes", sample_id="s8", features=[0, 1, 2], values=[1.0, 1.0, 1.0]),
        add("reconstruction", modality="video", n_vectors=0, fvu=-1.0, cosine=2.0, l0=-1.0),
        add("reconstruction", modality="image_text", n_vectors=9),
    ],
    "features": [
        add(
            "features",
            feature_id=-1,
            frequency=2.0,
            energy=-1.0,
            image_energy=-1.0,
            text_energy=-1.0,
            modality=3.0,
            bridge_diagonal=INFINITY,
            bridge_max=INFINITY,
            bridge_abs=-1.0,
            attribution=INFINITY,
        ),
        add("features", feature_id=8, modality=None, energy_rank=9, attribution_rank=9),
        add("feature_pairs", feature_id=77),
        add("feature_pairs", other_id=78, bridge=INFINITY),
        add("feature_examples", feature_id=77, value=-1.0),
        add("feature_examples", modality="video", rank=3),
        add(
            "feature_overlap",
            share=2.0,
            bridge_reduction="bridge_sum",
            set_size=0,
            energy_attribution=2.0,
            energy_bridge=2.0,
            attribution_bridge=-1.0,
            triple=2.0,
        ),
        add("random_overlap", share=2.0, set_size=0, n_holding=-1, pair=2.0, triple=2.0, pair_low=3.0),
        add("random_overlap", share=0.02, set_size=5),
        add("energy_concentration", rep_id="m/L9", n_features=0, n_holding_always_on=-1, always_on_energy=2.0),
        edit("energy_concentration", 0, n_holding=1),
        edit("energy_curve", 2, rank=0, feature_share=2.0, energy_share=1.5),
    ],
    "retrieval": [
        *SCORED,
        *REMOVED,
        add("retrieval_hits", system_id="m/ghost", score=NAN),
        add("retrieval_hits", rank=4),
    ],
    "grid": SCORED,
    "doses": [*SCORED, *REMOVED],
    "index": [
        add("index_recall", adaptation="magic", kind="magic", k=0, recall=-1.0, n_queries=0, queries_per_second=-1.0)
    ],
    "attention": [
        add("attention_mass", layer=0, head=-1, mass=1.5),
        add("attention_mass", source="first"),
        add("attention_mass", layer=7, role="padding"),
        add("attention_mass", layer=8, mass=NAN),
        add("attention_mass", sample_id="image:fox"),
        add("attention_maps", layer=0, source="first", grid_h=0, grid_w=0, mass=-0.1),
        add("attention_maps", layer=7, weights=[0.25, 0.25]),
        add("attention_maps", layer=8, region=[0.5, 0.0, 0.5, 1.0]),
        edit("attention_maps", 0, mass=0.6),
        add("attention_quadrants", layer=0, source="first", quadrant="middle", mass=1.5, control=-0.5),
        add("attention_quadrants", art=1.5, words=-0.5),
    ],
    "efficiency": [
        add("efficiency", operation="guess", n_candidates=0, n_queries=0, seconds=-1.0, peak_memory_bytes=-1),
        add("efficiency", n_candidates=2000, width=0),
        edit("efficiency", 1, seconds=9.0),
        add("efficiency", n_candidates=3000, seconds=None, peak_memory_bytes=None),
    ],
    "report": [
        add("models", model="other", place=7, kind="oracle", rendering="spoken"),
        add("claims", claim=14, statement="", paper="", verdict="perhaps", reason=""),
        edit("claims", 0, verdict="not settled", detectable=None, timed=True),
        edit("claims", 3, needs=None),
        add("claim_parts", claim=99, statistic="", direction="sideways", threshold=INFINITY, needed="some"),
        add("claim_parts", part="p1", n_cases=-1, n_supporting=-2, n_refuting=-1, n_left_out=-1),
        add("claim_parts", part="p3", verdict="perhaps", value=INFINITY, paper_value=INFINITY),
        add("claim_parts", part="p2", n_cases=1, n_supporting=2, value=None),
        edit("claim_parts", 1, verdict="holds"),
        add("claim_cases", case="", repetition=-1, value=INFINITY, low=INFINITY, high=-INFINITY, p=2.0, q=3.0),
        add("claim_cases", case="c1", part="unknown", outcome="perhaps", q=0.001),
        add("claim_cases", case="c2", low=0.5, high=0.6),
        add("claim_cases", case="c3", outcome="open", timed=True),
    ],
    "warehouse": [
        add("runs", state="lost", seconds=-1.0, config=""),
        add("run_artifacts", run_id="r9", artifact="short", repetition=-1, seconds=-1.0),
        add("stages", artifact="short", stage="", rows=-1, bytes=-1, seconds=-1.0, peak_memory_bytes=-1),
        add("contract_results", artifact="short", severity="fatal", reason=""),
        add("contract_results", success=False),
        add("adaptations", adaptation="", label="", colour="#f00", place=-1),
        add("paper_values", item="Chapter 3", model="", quantity="", value=INFINITY),
        add("paper_values", dataset="CIRR image+text->image", value=130.0),
    ],
}


def repeat_keys(tables: Tables) -> None:
    for rows in tables.values():
        rows.append(rows[0])


def blank_required(tables: Tables) -> None:
    for name, rows in tables.items():
        required = {c.name: None for c in TABLES[name].columns if not c.nullable and not pa.types.is_nested(c.type)}
        rows.append({**rows[0], **required})


def empty(tables: Tables) -> None:
    for rows in tables.values():
        rows.clear()


def rules(stage: str) -> set[tuple[str, str, str]]:
    """Return (table, rule, column) of every rule of a stage, generated ones included."""
    contracts = [load_contract(table.name) for table in tables_of(stage)]
    expectations = {(c.table, e.type, e.column) for c in contracts for e in c.expectations}
    return expectations | {(c.table, v.name, v.column) for c in contracts for v in c.violations}


def failing(stage: str, folder: Path) -> set[tuple[str, str, str]]:
    """Return the rules that fail on the stage's tables, full of broken rows and empty."""
    failed: set[tuple[str, str, str]] = set()
    for n, breaks in enumerate(([*BROKEN[stage], repeat_keys, blank_required], [empty])):
        tables = good_tables(stage)
        for break_one in breaks:
            break_one(tables)
        write_tables(folder / str(n), tables)
        results = check_artifact(stage, folder / str(n), PARAMETERS)
        failed |= {(r.table_name, r.expectation, r.column_name) for r in results if not r.success}
    return failed


@pytest.mark.parametrize("stage", STAGES)
def test_good_tables_keep_every_rule(stage: str, tmp_path: Path) -> None:
    write_tables(tmp_path, good_tables(stage))
    results = check_artifact(stage, tmp_path, PARAMETERS)
    assert [r for r in results if not r.success] == []
    checked = {(r.table_name, r.expectation, r.column_name) for r in results}
    structure = {(table.name, "columns_match_schema", "") for table in tables_of(stage)}
    assert checked == rules(stage) | structure
    assert len(results) == len(checked), "a rule is named by table, expectation and column"


@pytest.mark.parametrize("stage", STAGES)
def test_every_rule_can_fail(stage: str, tmp_path: Path) -> None:
    assert rules(stage) - failing(stage, tmp_path) == set()


def test_every_table_has_a_contract_and_every_contract_a_table() -> None:
    assert {path.stem for path in contracts_folder().glob("*.yaml")} == set(TABLES)


def test_tables_that_grow_with_the_data_make_no_data_frame() -> None:
    """A million samples are a gigabyte of pandas; what is drawn for attention maps is a setting's number of samples."""
    grows = {"sample_id", "query_id", "image_id", "text_id", "row"}
    growing = {name for name, table in TABLES.items() if grows & set(table.key) and table.stage != "attention"}
    assert len(growing) > 10
    assert [name for name in sorted(growing) if load_contract(name).expectations] == []
