"""CLIP: texts are cut at 77 tokens, and the vector is that of the end marker."""

from pipeline_core.models.family import DualEncoderFamily


class _Clip(DualEncoderFamily):
    name = "clip"
    model_types = frozenset({"clip"})


MEMBER = _Clip()
