"""AltCLIP: CLIP's pictures, and texts of many languages through XLM-R."""

from pipeline_core.models.family import DualEncoderFamily


class _AltClip(DualEncoderFamily):
    name = "altclip"
    model_types = frozenset({"altclip"})


MEMBER = _AltClip()
