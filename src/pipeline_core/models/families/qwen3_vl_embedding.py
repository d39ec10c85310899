"""Qwen3-VL-Embedding: the instruction is the system's turn, and the beginning of an answer is pooled.

After ``src/models/qwen3_vl_embedding.py`` of QwenLM/Qwen3-VL-Embedding: an instruction ends with a mark of punctuation,
and pictures have 4 to 1,800 tokens.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from pipeline_core.models.families._embedder import PublishedEmbedder, qwen_chat
from pipeline_core.models.samples import SampleInput

_TOKEN = 32  # pixels of a side


class _Qwen3VLEmbedding(PublishedEmbedder):
    name = "qwen3_vl_embedding"
    model_types = frozenset({"qwen3_vl"})
    names = re.compile(r"qwen3[-_]vl[-_]embedding", re.IGNORECASE)

    def layout(self, sample: SampleInput) -> str:
        return qwen_chat(sample, "{instruction}", "{text}")

    def instruction(self, sample: SampleInput) -> str:
        instruction = super().instruction(sample) or "Represent the user's input."
        return instruction if unicodedata.category(instruction[-1])[0] == "P" else f"{instruction}."

    def load_processor(self, place: str, options: Mapping[str, Any]) -> Any:
        processor = super().load_processor(place, options)
        processor.image_processor.size = {"shortest_edge": 4 * _TOKEN**2, "longest_edge": 1800 * _TOKEN**2}
        return processor


MEMBER = _Qwen3VLEmbedding()
