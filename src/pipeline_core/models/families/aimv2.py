"""AIMv2: under SDPA the vector of a text depends on the batch that it stands in; under eager attention it does not."""

from pipeline_core.models.family import DualEncoderFamily


class _Aimv2(DualEncoderFamily):
    name = "aimv2"
    model_types = frozenset({"aimv2"})
    tried = True
    needs = ("eager attention",)


MEMBER = _Aimv2()
