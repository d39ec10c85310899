"""Qwen2-VL and Qwen2.5-VL: pictures keep their shape, and a token's place is one in time, height and width."""

from types import MappingProxyType

from pipeline_core.models.families._embedder import QWEN2_VL_7B
from pipeline_core.models.family import GenerativeFamily


class _Qwen2VL(GenerativeFamily):
    name = "qwen2_vl"
    model_types = frozenset({"qwen2_vl", "qwen2_5_vl"})
    released = MappingProxyType({"Qwen/Qwen2-VL-7B-Instruct": QWEN2_VL_7B})


MEMBER = _Qwen2VL()
