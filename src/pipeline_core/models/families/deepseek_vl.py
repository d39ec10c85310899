"""DeepSeek-VL: one square picture."""

from pipeline_core.models.family import GenerativeFamily


class _DeepseekVL(GenerativeFamily):
    name = "deepseek_vl"
    model_types = frozenset({"deepseek_vl"})


MEMBER = _DeepseekVL()
