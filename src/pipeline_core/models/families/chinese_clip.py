"""Chinese CLIP: CLIP's pictures, and Chinese texts through BERT."""

from pipeline_core.models.family import DualEncoderFamily


class _ChineseClip(DualEncoderFamily):
    name = "chinese_clip"
    model_types = frozenset({"chinese_clip"})


MEMBER = _ChineseClip()
