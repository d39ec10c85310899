"""SigLIP: trained without an attention mask, pooling the last of 64 positions of a text."""

from types import MappingProxyType

from pipeline_core.models.family import DualEncoderFamily
from pipeline_core.models.size import ModelSize


class _Siglip(DualEncoderFamily):
    name = "siglip"
    model_types = frozenset({"siglip", "siglip2"})
    text_length = 64
    released = MappingProxyType({"google/siglip2-base-patch16-512": ModelSize(375_187_970, False, 768, 0, 3072, 1024)})


MEMBER = _Siglip()
