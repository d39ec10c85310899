"""GLM-4V, dense and of experts: pictures keep their shape, as in Qwen2-VL."""

from pipeline_core.models.family import GenerativeFamily


class _Glm4v(GenerativeFamily):
    name = "glm4v"
    model_types = frozenset({"glm4v", "glm4v_moe"})


MEMBER = _Glm4v()
