"""SigLIP: trained without an attention mask, pooling the last of 64 positions of a text."""

from pipeline_core.models.family import DualEncoderFamily


class _Siglip(DualEncoderFamily):
    name = "siglip"
    model_types = frozenset({"siglip", "siglip2"})
    text_length = 64


MEMBER = _Siglip()
