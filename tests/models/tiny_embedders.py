"""A tiny model for every published embedder: a generative one under its name, with the tokens that it adds."""

from dataclasses import replace

from tests.models.tiny_families import Tiny
from tests.models.tiny_generative import GENERATIVE


def _made_of(model_type: str, family: str, *words: str) -> Tiny:
    made = GENERATIVE[model_type]
    return replace(made, family=family, words=made.words | {f"own_{n}_token": word for n, word in enumerate(words)})


EMBEDDERS = {
    "gme-Qwen2-VL-2B-Instruct": _made_of("qwen2_vl", "gme", "<|endoftext|>"),
    "Qwen3-VL-Embedding-2B": _made_of("qwen3_vl", "qwen3_vl_embedding"),
    "VLM2Vec-Qwen2VL-2B": _made_of("qwen2_vl", "vlm2vec"),
    "VLM2Vec-LLaVa-Next": _made_of("llava_next", "vlm2vec"),
    "LamRA-Ret": _made_of("qwen2_vl", "lamra"),
    "e5-v": _made_of("llava_next", "e5_v", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
}
"""Embedders, by the name that tells what they are."""
