"""LLaVA 1.5, NeXT and OneVision, and Pixtral in their classes: one square picture, tiles, or a picture's own shape."""

from pipeline_core.models.family import GenerativeFamily


class _Llava(GenerativeFamily):
    name = "llava"
    model_types = frozenset({"llava", "llava_next", "llava_onevision"})


MEMBER = _Llava()
