"""CLIP: texts are cut at 77 tokens, and the vector is that of the end marker."""

from types import MappingProxyType

from pipeline_core.models.family import DualEncoderFamily
from pipeline_core.models.size import ModelSize


class _Clip(DualEncoderFamily):
    name = "clip"
    model_types = frozenset({"clip"})
    released = MappingProxyType({"openai/clip-vit-base-patch32": ModelSize(151_277_313, False, 512, 0, 2048, 50)})


MEMBER = _Clip()
