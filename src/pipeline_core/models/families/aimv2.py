"""AIMv2: under SDPA the vector of a text depends on the batch that it stands in; under eager attention it does not."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline_core.models.family import DualEncoderFamily

if TYPE_CHECKING:
    from pipeline_core.model_facts import ModelFacts


class _Aimv2(DualEncoderFamily):
    name = "aimv2"
    model_types = frozenset({"aimv2"})

    def load_model(self, facts: "ModelFacts", place: str, options: Mapping[str, Any]) -> Any:
        return super().load_model(facts, place, {**options, "attn_implementation": "eager"})


MEMBER = _Aimv2()
