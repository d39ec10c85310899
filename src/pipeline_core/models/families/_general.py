"""What transformers says of a model type that no family names."""

from collections.abc import Sequence

from pipeline_core.model_facts import Kind


def general_kind(model_type: str, architectures: Sequence[str]) -> Kind | None:
    """Return which of the general families a model belongs to, by its type and the classes that it was saved from."""
    from transformers import CONFIG_MAPPING, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, MODEL_MAPPING  # noqa: PLC0415

    if model_type not in CONFIG_MAPPING:
        return None
    generative = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING.get(CONFIG_MAPPING[model_type], None)
    base = MODEL_MAPPING.get(CONFIG_MAPPING[model_type], None)
    dual = hasattr(base, "get_image_features") and hasattr(base, "get_text_features")
    # BLIP and its like are both; what was saved decides.
    if generative is not None and (not dual or generative.__name__ in architectures):
        return "generative"
    return "contrastive" if dual else None
