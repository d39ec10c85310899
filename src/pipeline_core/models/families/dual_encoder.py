"""Any model that embeds pictures and texts in one space: CLIP and its kin."""

from collections.abc import Sequence

from pipeline_core.models.families._general import general_kind
from pipeline_core.models.family import DualEncoderFamily


class _DualEncoder(DualEncoderFamily):
    name = "dual_encoder"
    general = True
    tried = True

    def recognises(self, model_type: str, architectures: Sequence[str]) -> bool:
        return general_kind(model_type, architectures) == "contrastive"


MEMBER = _DualEncoder()
