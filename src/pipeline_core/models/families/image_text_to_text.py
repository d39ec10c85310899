"""Any model that generates text from pictures, as transformers lists them."""

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline_core.errors import ModelError
from pipeline_core.models.families._general import general_kind
from pipeline_core.models.family import GenerativeFamily

if TYPE_CHECKING:
    from pipeline_core.model_facts import ModelFacts
    from pipeline_core.models.embedder import Embedder


class _ImageTextToText(GenerativeFamily):
    name = "image_text_to_text"
    general = True
    tried = True

    def recognises(self, model_type: str, architectures: Sequence[str]) -> bool:
        return general_kind(model_type, architectures) == "generative"

    def embedder(self, facts: "ModelFacts", model: Any, processor: Any) -> "Embedder":
        if getattr(model.config.get_text_config(), "cross_attention_layers", None):
            raise ModelError(
                f"{facts.name} looks at pictures by cross attention: they have no tokens", "use another model"
            )
        parameters = inspect.signature(model.base_model.forward).parameters
        if parameters.get("pixel_values") and parameters["pixel_values"].default is inspect.Parameter.empty:
            raise ModelError(f"{facts.name} ({model.config.model_type}) takes no text alone", "use another model")
        return super().embedder(facts, model, processor)


MEMBER = _ImageTextToText()
