"""MetaCLIP 2: as CLIP, with words of many languages."""

from pipeline_core.models.family import DualEncoderFamily


class _MetaClip2(DualEncoderFamily):
    name = "metaclip_2"
    model_types = frozenset({"metaclip_2"})


MEMBER = _MetaClip2()
