"""BLIP for matching pictures and texts: its two projections of the first token; its captioning models have none."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline_core.errors import ModelError
from pipeline_core.models.family import DualEncoderFamily

if TYPE_CHECKING:
    import torch

    from pipeline_core.model_facts import ModelFacts

_CLASS = "BlipForImageTextRetrieval"


class _Blip(DualEncoderFamily):
    name = "blip"
    model_types = frozenset({"blip"})
    needs = ("eager attention", f"saved as {_CLASS}")

    def load_model(self, facts: "ModelFacts", place: str, options: Mapping[str, Any]) -> Any:
        import transformers  # noqa: PLC0415

        from pipeline_core.models.weights import load_whole  # noqa: PLC0415

        found = transformers.AutoConfig.from_pretrained(place, revision=facts.revision).architectures or []
        if _CLASS not in found:
            raise ModelError(
                f"{facts.name} is a BLIP of the class {' and '.join(found) or 'unknown'}, which gives no two vectors",
                f"use one that was saved as {_CLASS}",
            )
        model = load_whole(getattr(transformers, _CLASS), facts.name, place, options)

        def picture(pixel_values: "torch.Tensor") -> Any:
            return model.vision_proj(model.vision_model(pixel_values).last_hidden_state[:, 0])

        def text(input_ids: "torch.Tensor", attention_mask: "torch.Tensor") -> Any:
            return model.text_proj(model.text_encoder(input_ids, attention_mask).last_hidden_state[:, 0])

        model.get_image_features, model.get_text_features = picture, text
        return model


MEMBER = _Blip()
