"""Any model that generates text from pictures, as transformers lists them."""

from collections.abc import Sequence

from pipeline_core.models.families._general import general_kind
from pipeline_core.models.family import GenerativeFamily


class _ImageTextToText(GenerativeFamily):
    name = "image_text_to_text"
    general = True

    def recognises(self, model_type: str, architectures: Sequence[str]) -> bool:
        return general_kind(model_type, architectures) == "generative"


MEMBER = _ImageTextToText()
