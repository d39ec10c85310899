"""Rows of what is measured: retrieval and its sweeps, attention, index, cost."""

from typing import Any

from tests.contracts.extracted_rows import Tables


def system(system_id: str, adaptation: str, **settings: Any) -> dict[str, Any]:
    return {
        "system_id": system_id,
        "model": "m",
        "study": "main",
        "rep_ids": ["m/L1"],
        "mask": None,
        "side": None,
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
        "family": "dog",
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
        for operation in ("fit", "decompose", "apply", "search", "product")
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
        | {"art": 0.2, "words": 0.2}
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
