"""Small artifacts of every stage that keep all contracts, as rows that a test can break."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_core.schema import SHARDED, TABLES, tables_of

Rows = list[dict[str, Any]]
Tables = dict[str, Rows]

DIGEST = "0" * 64


def picture(sample_id: str, group: str, split: str, text: str | None = None) -> dict[str, Any]:
    return {
        "sample_id": sample_id,
        "modality": "image_text" if text else "image",
        "text": text,
        "image_ref": "parquet:images.parquet#0",
        "sha256": DIGEST,
        "width": 72,
        "height": 72,
        "group": group,
        "split": split,
    }


def words(sample_id: str, group: str, split: str, text: str) -> dict[str, Any]:
    return {
        "sample_id": sample_id,
        "modality": "text",
        "text": text,
        "image_ref": None,
        "sha256": None,
        "width": None,
        "height": None,
        "group": group,
        "split": split,
    }


def task(task_id: str, task_type: str, query: str, candidate: str, control: str, of: str | None) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "task_type": task_type,
        "query_modality": query,
        "candidate_modality": candidate,
        "query_prompt_id": "text",
        "candidate_prompt_id": "image",
        "pool_id": "t2i",
        "primary_k": 5,
        "control": control,
        "control_of": of,
        "description": "find it",
    }


DATASET: Tables = {
    "samples": [
        picture("image:cat", "cat", "train"),
        words("name:cat", "cat", "train", "cat"),
        picture("image:dog", "dog", "test"),
        words("name:dog", "dog", "test", "dog"),
        picture("image:fox", "fox", "test"),
        words("edit:fox", "fox", "test", "as a dog"),
        picture("item:fox", "fox", "test", "as a dog"),
    ],
    "pairs": [
        {"image_id": "image:cat", "text_id": "name:cat", "split": "train"},
        {"image_id": "image:dog", "text_id": "name:dog", "split": "test"},
    ],
    "tasks": [
        task("t2i", "t->i", "text", "image", "none", None),
        task("it2i", "it->i", "image_text", "image", "none", None),
        task("it2i_text_only", "it->i", "text", "image", "text_only", "it2i"),
    ],
    "queries": [
        {"task_id": "t2i", "query_id": "q1", "sample_id": "name:dog", "split": "test", "prompt_id": "text"},
        {"task_id": "it2i", "query_id": "q1", "sample_id": "item:fox", "split": "test", "prompt_id": "text"},
        {"task_id": "it2i_text_only", "query_id": "q1", "sample_id": "edit:fox", "split": "test", "prompt_id": "none"},
    ],
    "candidates": [
        {"pool_id": "t2i", "split": split, "sample_id": sample}
        for split, sample in (("test", "image:dog"), (None, "image:fox"))
    ],
    "exclusions": [{"task_id": "it2i", "query_id": "q1", "sample_id": "image:fox"}],
    "qrels": [
        {"task_id": task_id, "query_id": "q1", "sample_id": "image:dog", "relevance": 1}
        for task_id in ("t2i", "it2i", "it2i_text_only")
    ],
    "prompts": [{"prompt_id": "text", "text": "Say it:"}, {"prompt_id": "image", "text": "Show it:"}],
    "quarantine": [{"row": "7", "reason": "empty text"}],
}


def representation(rep_id: str, layer: int, default: bool) -> dict[str, Any]:
    return {
        "rep_id": rep_id,
        "model": "m",
        "layer": layer,
        "norm_position": "raw",
        "pooling": "mean",
        "mask": "all",
        "attention_kind": "causal",
        "attention": "sdpa",
        "at_analysis_layer": default,
    }


EMBEDDED = (("image:cat", "image"), ("name:cat", "text"), ("image:dog", "image"), ("name:dog", "text"))

ACTIVATIONS: Tables = {
    "representations": [representation("m/L0", 0, False), representation("m/L1", 1, True)],
    "long_texts": [
        {"model": "m", "sample_id": "name:dog", "prompt_id": "text", "n_tokens": 90, "n_kept": 77, "kept": "0" * 32}
    ],
    "refused": [
        {"model": "m", "sample_id": "image:strip", "prompt_id": "image", "fault": "input", "reason": "too long a strip"}
        | {"width": 1, "height": 2000, "n_tokens": None}
    ],
    "embeddings": [
        {"rep_id": rep, "sample_id": sample, "prompt_id": prompt, "n_tokens": 3, "vector": [1.0, 0.5 * n]}
        for rep in ("m/L0", "m/L1")
        for n, (sample, prompt) in enumerate(EMBEDDED)
    ],
    "tokens": [
        {
            "sample_id": "name:cat",
            "prompt_id": "text",
            "token_index": n,
            "token_role": role,
            "vector": [1.0, 2.0],
            "scale": 1.0,
        }
        for n, role in enumerate(("template", "text", "prompt"))
    ],
}

SAE_ROW = {"sae_id": "m/paper", "rep_id": "m/L1"}

SAE: Tables = {
    "sae_training": [
        {
            "sae_id": "m/paper",
            "step": step,
            "epoch": 1,
            "loss": 2.0 / step,
            "fvu": 0.9 / step,
            "l0": 2.0,
            "dead_share": 0.0,
            "learning_rate": 8e-4,
            "tokens_per_second": 1e4,
        }
        for step in (1, 2, 3)
    ]
}

CODES: Tables = {
    "codes": [
        {**SAE_ROW, "level": "pooled", "sample_id": s, "prompt_id": p, "features": [0, n], "values": [0.5, 1.0]}
        for n, (s, p) in enumerate(EMBEDDED, start=1)
    ],
    "reconstruction": [
        {**SAE_ROW, "modality": modality, "n_vectors": n, "fvu": 0.4, "cosine": 0.9, "l0": 2.0}
        for modality, n in (("image", 2), ("text", 2), ("all", 4))
    ],
}


def feature(feature_id: int, image: float, text: float, attribution: float, rank: int) -> dict[str, Any]:
    total = image + text
    return {
        **SAE_ROW,
        "feature_id": feature_id,
        "frequency": 0.5 if total else 0.0,
        "energy": total / 2,
        "energy_rank": feature_id + 1,
        "image_energy": image,
        "text_energy": text,
        "modality": text / total if total else None,
        "bridge_diagonal": 0.1,
        "bridge_max": 0.1,
        "bridge_abs": 0.3,
        "attribution": attribution,
        "attribution_rank": rank,
        "in_top_energy": feature_id == 0,
        "in_top_bridge": feature_id == 1,
        "in_top_attribution": rank == 1,
    }


FEATURES: Tables = {
    "features": [feature(0, 3.0, 1.0, 0.1, 2), feature(1, 1.0, 1.0, 0.7, 1), feature(2, 0.0, 0.0, 0.0, 3)],
    "feature_pairs": [{**SAE_ROW, "feature_id": 0, "other_id": 1, "bridge": 0.2}],
    "feature_examples": [
        {
            **SAE_ROW,
            "feature_id": 1,
            "modality": modality,
            "rank": rank,
            "sample_id": sample,
            "prompt_id": modality,
            "value": 1.0 / rank,
        }
        for modality, rank, sample in (("image", 1, "image:cat"), ("text", 1, "name:cat"), ("text", 2, "name:dog"))
    ],
    "feature_overlap": [
        {
            **SAE_ROW,
            "share": 0.01,
            "bridge_reduction": "bridge_abs",
            "set_size": 1,
            "energy_attribution": 0.5,
            "energy_bridge": 0.4,
            "attribution_bridge": 0.3,
            "triple": 0.2,
        }
    ],
    "energy_curve": [
        {**SAE_ROW, "rank": n, "feature_share": n / 3, "energy_share": share}
        for n, share in ((1, 2 / 3), (2, 1.0), (3, 1.0))
    ],
}


def system(system_id: str, adaptation: str, **settings: Any) -> dict[str, Any]:
    return {
        "system_id": system_id,
        "model": "m",
        "study": "main",
        "rep_ids": ["m/L1"],
        "adaptation": adaptation,
        "variant": None,
        "fit_on": None,
        "beta": None,
        "eps": None,
        "selection": None,
        "sae_id": None,
        "share": None,
        "n_features": None,
        "rank": None,
        "control": "none",
        "named": True,
        "label": system_id,
        "method": adaptation,
        "seed": 0,
        **settings,
    }


def metric(system_id: str, task_id: str, k: int, value: float) -> dict[str, Any]:
    return {
        "system_id": system_id,
        "task_id": task_id,
        "split": "test",
        "metric": "hit_rate",
        "k": k,
        "value": value,
        "low": value - 0.1,
        "high": value + 0.1,
        "n_queries": 10,
        "n_groups": 4,
        "n_candidates": 20,
        "chance": 0.05,
    }


EFFECT = {"task_id": "t2i", "metric": "hit_rate", "k": 5, "delta": 0.2, "low": 0.1, "high": 0.3, "p": 0.01, "q": 0.02}


def effect(system_id: str, selection: str, feature_id: int | None) -> dict[str, Any]:
    return {"sae_id": "m/paper", "system_id": system_id, "selection": selection, "feature_id": feature_id, **EFFECT}


def ranked(system_id: str) -> dict[str, Any]:
    return {
        "system_id": system_id,
        "task_id": "t2i",
        "split": "test",
        "query_id": "q1",
        "first_relevant_rank": 1,
        "n_relevant": 1,
    }


RETRIEVAL: Tables = {
    "systems": [
        system("m/raw", "identity"),
        system("m/realign", "realign", variant="text", fit_on="candidates", beta=0.1, eps=1e-5),
        system("m/realign-code-transductive", "realign", variant="code", fit_on="test_queries", beta=0.1, eps=1e-5),
        system("m/removal", "removal", selection="attribution", sae_id="m/paper", share=0.01, rank=1, n_features=1),
        system("m/removal-single", "removal", selection="single", sae_id="m/paper", rank=1, named=False),
        system("m/realign-shuffled_pairs", "realign", fit_on="candidates", control="shuffled_pairs"),
    ],
    "retrieval_metrics": [
        metric(system_id, task_id, k, value + k / 100)
        for system_id, value in (("m/raw", 0.2), ("m/realign", 0.6), ("m/realign-shuffled_pairs", 0.1))
        for task_id in ("t2i", "it2i", "it2i_text_only")
        for k in (1, 5)
    ],
    "retrieval_ranks": [ranked("m/raw")],
    "retrieval_hits": [
        {
            "system_id": "m/raw",
            "task_id": "t2i",
            "query_id": "q1",
            "rank": rank,
            "sample_id": sample,
            "score": 1.0 / rank,
            "relevant": rank == 1,
        }
        for rank, sample in ((1, "image:dog"), (2, "image:fox"))
    ],
    "removal_effects": [effect("m/removal", "attribution", None), effect("m/removal-single", "single", 1)],
    "comparisons": [{"system_id": "m/realign", "baseline_id": "m/raw", **EFFECT}],
}


def swept(study: str, short: str, adaptation: str, **settings: Any) -> dict[str, Any]:
    return system(f"m/{short}", adaptation, study=study, named=False, **settings)


SUPPORT = {"variant": "text", "fit_on": "support", "beta": 0.1, "eps": 1e-5}

GRID: Tables = {
    "systems": [
        *(
            swept("layers", f"L{layer}/{name}", adaptation, rep_ids=[f"m/L{layer}"], **settings)
            for layer in (0, 1)
            for name, adaptation, settings in (("raw", "identity", {}), ("realign-support", "realign", SUPPORT))
        ),
        swept("adaptations", "adaptations/raw", "identity"),
        swept("adaptations", "adaptations/oas-support", "oas", fit_on="support", rep_ids=["m/L0", "m/L1"]),
    ],
    "retrieval_metrics": [
        metric(system_id, task_id, 5, value)
        for system_id, value in (("m/L0/raw", 0.1), ("m/L1/raw", 0.2), ("m/adaptations/oas-support", 0.5))
        for task_id in ("t2i", "it2i")
    ],
    "retrieval_ranks": [ranked("m/L0/raw")],
    "comparisons": [{"system_id": "m/L0/raw", "baseline_id": "m/L1/raw", **EFFECT}],
}

REMOVED = {"sae_id": "m/paper", "share": 0.01, "rank": 1}

DOSES: Tables = {
    "systems": [
        swept("removal", "removal/raw", "identity"),
        swept("removal", "removal/attribution", "removal", selection="attribution", n_features=1, **REMOVED),
        swept("removal", "removal/mean", "removal", selection="mean", fit_on="support"),
    ],
    "retrieval_metrics": [metric("m/removal/raw", "t2i", 5, 0.2), metric("m/removal/attribution", "t2i", 5, 0.3)],
    "retrieval_ranks": [ranked("m/removal/attribution")],
    "removal_effects": [effect("m/removal/attribution", "attribution", None), effect("m/removal/mean", "mean", None)],
    "comparisons": [{"system_id": "m/removal/attribution", "baseline_id": "m/removal/mean", **EFFECT}],
}

EFFICIENCY: Tables = {
    "efficiency": [
        {
            "model": "m",
            "operation": operation,
            "n_candidates": n,
            "width": 2,
            "n_queries": 10,
            "seconds": n * 1e-6,
            "peak_memory_bytes": 8 * n,
        }
        for n in (1000, 10_000)
        for operation in ("fit", "apply", "search")
    ]
}

ATTENDED = {"model": "m", "sample_id": "image:dog", "prompt_id": "image"}
SHARES = {"image": 0.5, "text": 0.0, "prompt": 0.2, "template": 0.3}

ATTENTION: Tables = {
    "attention_mass": [
        {**ATTENDED, "layer": layer, "head": head, "source": source, "role": role, "mass": mass}
        for layer in (1, 2)
        for head in (0, 1)
        for source in ("last", "pooled")
        for role, mass in SHARES.items()
    ],
    "attention_maps": [
        {
            **ATTENDED,
            "layer": layer,
            "source": source,
            "grid_h": 1,
            "grid_w": 2,
            "region": [-0.5, 0.0, 1.5, 1.0],
            "mass": 0.5,
            "weights": [0.25, 0.75],
        }
        for layer in (1, 2)
        for source in ("last", "pooled")
    ],
    "attention_quadrants": [
        {**ATTENDED, "layer": layer, "source": "last", "quadrant": "lower_left", "mass": 0.4, "control": 0.25}
        for layer in (1, 2)
    ],
}

INDEX: Tables = {
    "index_recall": [
        {
            "rep_id": "m/L1",
            "adaptation": "raw",
            "task_id": "t2i",
            "kind": "hnsw_sq",
            "k": 10,
            "recall": 0.99,
            "n_queries": 10,
            "queries_per_second": 100.0,
        }
    ]
}

HOLDS, FAILS, MISSING = "holds", "fails", "not measurable here"


def part(claim: int, n_cases: int, n_passed: int, verdict: str, value: float | None) -> dict[str, Any]:
    return {
        "claim": claim,
        "part": "gain",
        "statistic": "what is gained",
        "direction": "above",
        "threshold": 0.0,
        "test": "q",
        "needed": "majority",
        "decides": True,
        "n_cases": n_cases,
        "n_passed": n_passed,
        "verdict": verdict,
        "value": value,
        "paper_value": 0.2,
        "timed": False,
    }


def case(claim: int, name: str, value: float, passed: bool) -> dict[str, Any]:
    return {
        "claim": claim,
        "part": "gain",
        "case": name,
        "repetition": 0,
        "value": value,
        "low": value - 0.1,
        "high": value + 0.1,
        "q": 0.01,
        "passed": passed,
        "timed": False,
    }


REPORT: Tables = {
    "models": [
        {"model": "m", "place": 0, "kind": "generative", "fine_tuned": False},
        {"model": "n", "place": 1, "kind": "contrastive", "fine_tuned": True},
    ],
    "claims": [
        {
            "claim": claim,
            "statement": "It gains.",
            "paper": f"Table {claim}",
            "verdict": {1: HOLDS, 2: FAILS}.get(claim, MISSING),
            "reason": "It gained.",
            "timed": False,
        }
        for claim in range(1, 14)
    ],
    "claim_parts": [
        part(1, 2, 2, HOLDS, 0.3),
        part(2, 2, 1, FAILS, -0.1),
        *(part(claim, 0, 0, MISSING, None) for claim in range(3, 14)),
    ],
    "claim_cases": [
        case(1, "t2i", 0.2, True),
        case(1, "i2t", 0.4, True),
        case(2, "t2i", 0.1, True),
        case(2, "i2t", -0.3, False),
    ],
}

ARTIFACT = "0123456789abcdef"

WAREHOUSE: Tables = {
    "runs": [
        {
            "run_id": "r1",
            "flow": "analyze",
            "config": "{}",
            "state": "completed",
            "started": None,
            "ended": None,
            "seconds": 1.0,
        }
    ],
    "run_artifacts": [
        {
            "run_id": "r1",
            "name": "dataset",
            "stage": "dataset",
            "artifact": ARTIFACT,
            "repetition": 0,
            "cached": False,
            "seconds": 1.0,
        }
    ],
    "stages": [
        {
            "artifact": ARTIFACT,
            "stage": "dataset",
            "rows": 1,
            "bytes": 1,
            "seconds": 1.0,
            "peak_memory_bytes": 1,
            "created": None,
        }
    ],
    "contract_results": [
        {
            "artifact": ARTIFACT,
            "table_name": "samples",
            "column_name": "split",
            "expectation": "expect_column_values_to_not_be_null",
            "success": True,
            "severity": "critical",
            "observed": None,
            "reason": "because",
        }
    ],
    "adaptations": [{"adaptation": "oas", "label": "OAS shrinkage", "colour": "rival", "place": 6}],
    "paper_values": [
        {
            "item": "Table 3",
            "model": "CLIP",
            "dataset": "MSCOCO text->image",
            "setting": "base",
            "quantity": "R@5",
            "value": 61.1,
        }
    ],
}

EVERY: dict[str, Tables] = {
    "dataset": DATASET,
    "activations": ACTIVATIONS,
    "sae": SAE,
    "codes": CODES,
    "features": FEATURES,
    "retrieval": RETRIEVAL,
    "grid": GRID,
    "doses": DOSES,
    "index": INDEX,
    "attention": ATTENTION,
    "efficiency": EFFICIENCY,
    "report": REPORT,
    "warehouse": WAREHOUSE,
}
STAGES = tuple(EVERY)


def good_tables(stage: str) -> Tables:
    """Return the rows of every table of a stage, free to be changed."""
    return deepcopy({table.name: EVERY[stage][table.name] for table in tables_of(stage)})


def write_tables(folder: Path, tables: Mapping[str, Rows]) -> None:
    """Write rows as an artifact's Parquet files without the checks of ``parquet.write_table``, NULLs included."""
    for name, rows in tables.items():
        path = folder / TABLES[name].file_name
        if name in SHARDED:
            path = folder / name / "00000.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        fields = [pa.field(c.name, c.type) for c in TABLES[name].columns]
        pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(fields)), path)
