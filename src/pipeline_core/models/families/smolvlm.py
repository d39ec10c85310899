"""SmolVLM and Idefics3: a picture is cut into tiles with markers of rows and columns, and stands at last as a whole."""

from collections.abc import Mapping
from typing import Any

from pipeline_core.models.family import GenerativeFamily


class _SmolVLM(GenerativeFamily):
    name = "smolvlm"
    model_types = frozenset({"smolvlm", "idefics3"})

    def load_processor(self, place: str, options: Mapping[str, Any]) -> Any:
        from transformers.models.smolvlm import processing_smolvlm  # noqa: PLC0415

        # It spells the number of a video's frames, for which alone it demands a package.
        if processing_smolvlm.num2words is None:
            processing_smolvlm.num2words = str
        return super().load_processor(place, options)


MEMBER = _SmolVLM()
