"""Any picture tower and any text tower, joined by two projections."""

from pipeline_core.models.family import DualEncoderFamily


class _VisionTextDualEncoder(DualEncoderFamily):
    name = "vision_text_dual_encoder"
    model_types = frozenset({"vision-text-dual-encoder"})


MEMBER = _VisionTextDualEncoder()
