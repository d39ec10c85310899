"""Any model that embeds pictures and texts in one space: CLIP and its kin."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline_core.models.families._general import general_kind
from pipeline_core.models.family import DualEncoderFamily

if TYPE_CHECKING:
    from pipeline_core.model_facts import ModelFacts
    from pipeline_core.models.embedder import Embedder


class _DualEncoder(DualEncoderFamily):
    name = "dual_encoder"
    general = True

    def recognises(self, model_type: str, architectures: Sequence[str]) -> bool:
        return general_kind(model_type, architectures) == "contrastive"

    def embedder(self, facts: "ModelFacts", model: Any, processor: Any) -> "Embedder":
        from pipeline_core.models.check import check_batches  # noqa: PLC0415

        made = super().embedder(facts, model, processor)
        check_batches(made)
        return made


MEMBER = _DualEncoder()
