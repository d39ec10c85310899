"""Qwen2-VL and Qwen2.5-VL: pictures keep their shape, and a token's place is one in time, height and width."""

from pipeline_core.models.family import GenerativeFamily


class _Qwen2VL(GenerativeFamily):
    name = "qwen2_vl"
    model_types = frozenset({"qwen2_vl", "qwen2_5_vl"})


MEMBER = _Qwen2VL()
