"""Rows of what is read, extracted and coded, from data set to features."""

from typing import Any

from tests.small import WHOLE

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
        **WHOLE,
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
    ],
    "sae_data": [
        {
            "sae_id": "m/paper",
            "trained_on": "folder other",
            "left_out": "system",
            "n_samples": 2,
            "n_tokens": 9,
            "held_out_tokens": 4,
            "held_out_fvu": 0.5,
            "held_out_l0": 2.0,
        }
    ],
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
    "random_overlap": [
        {
            **SAE_ROW,
            "share": 0.01,
            "set_size": 1,
            "n_holding": 2,
            **dict.fromkeys(("pair", "pair_low", "pair_high", "triple", "triple_low", "triple_high"), 0.5),
        }
    ],
    "energy_concentration": [
        {
            **SAE_ROW,
            "n_features": 3,
            "n_live": 2,
            "n_holding": 2,
            "n_always_on": 1,
            "n_holding_always_on": 1,
            "always_on_energy": 0.5,
        }
    ],
    "energy_curve": [
        {**SAE_ROW, "rank": n, "feature_share": n / 3, "energy_share": share}
        for n, share in ((1, 2 / 3), (2, 1.0), (3, 1.0))
    ],
}
