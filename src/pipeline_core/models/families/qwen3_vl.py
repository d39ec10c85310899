"""Qwen3-VL, dense and of experts, and Qwen3.5: as Qwen2-VL, with features of pictures that enter later layers too."""

from types import MappingProxyType

from pipeline_core.models.family import GenerativeFamily
from pipeline_core.models.size import ModelSize


class _Qwen3VL(GenerativeFamily):
    name = "qwen3_vl"
    model_types = frozenset({"qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"})
    released_unnormed = True
    released = MappingProxyType(
        {"Qwen/Qwen3-VL-8B-Instruct": ModelSize(8_767_123_696, False, 4096, 36, 12_288, 256, pixels_a_token=32**2)}
    )


MEMBER = _Qwen3VL()
