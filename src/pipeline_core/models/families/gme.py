"""GME (Zhang et al. 2024) over Qwen2-VL: the instruction is the system's turn, and an end marker is added and pooled.

After ``modeling_gme_qwen2vl.py`` of Alibaba-NLP/gme-Qwen2-VL-2B-Instruct, and its copy in mteb (gme_v_models.py). There
tokens are counted one by one, whatever the shape of a picture, and pictures are brought to whole tokens first, then to
256 to 1,280 of them. Texts of more than 1,800 tokens are cut there.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipeline_core.models.families._embedder import QWEN2_VL, QWEN2_VL_7B, PublishedEmbedder, qwen_chat
from pipeline_core.models.samples import SampleInput

if TYPE_CHECKING:
    from PIL import Image

_TOKEN = 28  # pixels of a side


class _Gme(PublishedEmbedder):
    name = "gme"
    model_types = QWEN2_VL
    names = re.compile(r"gme[-_]qwen2", re.IGNORECASE)
    grid_places = False
    released = MappingProxyType({"Alibaba-NLP/gme-Qwen2-VL-7B-Instruct": QWEN2_VL_7B})

    def layout(self, sample: SampleInput) -> str:
        return qwen_chat(sample, "{instruction}", "{text}") + "<|endoftext|>"

    def instruction(self, sample: SampleInput) -> str:
        return super().instruction(sample) or "You are a helpful assistant."

    def load_processor(self, place: str, options: Mapping[str, Any]) -> Any:
        processor = super().load_processor(place, options)
        processor.image_processor.size = {"shortest_edge": 256 * _TOKEN**2, "longest_edge": 1280 * _TOKEN**2}
        return processor

    def shown(self, image: "Image.Image") -> "Image.Image":
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize  # noqa: PLC0415

        width, height = image.size
        height, width = smart_resize(height, width, _TOKEN, 4 * _TOKEN**2, 16384 * _TOKEN**2)
        return image.resize((width, height))


MEMBER = _Gme()
