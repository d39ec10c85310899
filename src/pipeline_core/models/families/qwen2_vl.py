"""Qwen2-VL and Qwen2.5-VL: pictures keep their shape, and a token's place is one in time, height and width."""

from types import MappingProxyType

from pipeline_core.models.family import GenerativeFamily
from pipeline_core.models.size import ModelSize


class _Qwen2VL(GenerativeFamily):
    name = "qwen2_vl"
    model_types = frozenset({"qwen2_vl", "qwen2_5_vl"})
    released = MappingProxyType(
        {"Qwen/Qwen2-VL-7B-Instruct": ModelSize(8_291_375_616, False, 3584, 28, 18_944, 256, pixels_a_token=28**2)}
    )


MEMBER = _Qwen2VL()
