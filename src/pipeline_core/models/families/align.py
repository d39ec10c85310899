"""ALIGN: pictures through EfficientNet, texts through BERT."""

from pipeline_core.models.family import DualEncoderFamily


class _Align(DualEncoderFamily):
    name = "align"
    model_types = frozenset({"align"})
    needs = ("eager attention",)


MEMBER = _Align()
