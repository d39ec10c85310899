"""Qwen3-VL, dense and of experts, and Qwen3.5: as Qwen2-VL, with features of pictures that enter later layers too."""

from pipeline_core.models.family import GenerativeFamily


class _Qwen3VL(GenerativeFamily):
    name = "qwen3_vl"
    model_types = frozenset({"qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"})
    released_unnormed = True


MEMBER = _Qwen3VL()
