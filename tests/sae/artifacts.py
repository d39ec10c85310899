"""Token states with few true features, and how they are written as the tables of an artifact."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from pipeline_core.sae.architectures.topk import MEMBER as TOPK
from pipeline_core.sae.architectures.topk import TopKSae, TopKSettings
from pipeline_core.schema.parquet import write_table

WIDTH = 24
N_TOKENS = 1000
PROMPTS = {"image": "image", "text": "text", "image_text": "image_question"}
REPRESENTATION = {
    "rep_id": "tiny/L4/mean/all",
    "model": "tiny",
    "layer": 4,
    "norm_position": "final_norm",
    "pooling": "mean",
    "mask": "all",
    "attention_kind": "causal",
    "attention": "sdpa",
    "at_analysis_layer": True,
}


def sparse_states(n: int, seed: int) -> np.ndarray:
    """States of 40 true features, 4 active in each, around a mean that holds most of the norm."""
    generator = np.random.default_rng(seed)
    truth = np.random.default_rng(99)
    directions = truth.standard_normal((40, WIDTH))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    codes = np.zeros((n, 40))
    chosen = np.argsort(generator.random((n, 40)), axis=1)[:, :4]
    np.put_along_axis(codes, chosen, generator.exponential(1.0, (n, 4)), axis=1)
    return (codes @ directions + 4.0 * directions[0]).astype(np.float32)


def lists(vectors: np.ndarray, kind: pa.DataType) -> pa.ListArray:
    width = vectors.shape[1]
    starts = pa.array(np.arange(0, vectors.size + 1, width), pa.int32())
    return pa.ListArray.from_arrays(starts, pa.array(vectors.ravel()).cast(kind))


def write_tokens(
    folder: Path, states: np.ndarray, shard: int, scale: float = 1.0, roles: Sequence[str] = ("text",)
) -> None:
    """Write a shard of token states, their roles in turn."""
    n = len(states)
    table = pa.table(
        {
            "sample_id": [f"{shard}-{i:05d}" for i in range(n)],
            "prompt_id": ["text"] * n,
            "token_index": [0] * n,
            "token_role": [roles[i % len(roles)] for i in range(n)],
            "vector": lists((states / scale).astype(np.float16), pa.float16()),
            "scale": [scale] * n,
        }
    )
    write_table(folder, "tokens", table, shard)


def modality_of_rows() -> list[str]:
    return [("image", "text", "image_text")[i % 3] for i in range(29)] + ["text"]


def start_topk(mean: torch.Tensor, features: int, k: int, centred: bool) -> TopKSae:
    """A TopK autoencoder that has learnt nothing yet."""
    settings = TopKSettings(name="tiny", features=features, k=k, centred=centred)
    return TOPK.start(mean, settings, torch.Generator().manual_seed(0))


def trained(sae: TopKSae) -> TopKSae:
    """The same one, with tensors that do not learn."""
    return replace(sae, **{name: tensor.detach() for name, tensor in sae.state().items()})
