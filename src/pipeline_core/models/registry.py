"""Models by name: reference models, Hugging Face names and local folders, resolved, identified and loaded.

Planning a run asks for kinds and identities only, so transformers is imported where a model is looked at, not before.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pipeline_core.config import ModelConfig
from pipeline_core.errors import LensError, ModelError
from pipeline_core.store.fingerprint import folder_digest

if TYPE_CHECKING:
    from pipeline_core.models.contrastive import ContrastiveAdapter
    from pipeline_core.models.generative import GenerativeAdapter

    ModelAdapter: TypeAlias = GenerativeAdapter | ContrastiveAdapter

Kind = Literal["generative", "contrastive"]

_REFERENCE_KINDS: dict[str, Kind] = {"reference-mllm": "generative", "reference-contrastive": "contrastive"}
_KNOWN = f"use {' or '.join(_REFERENCE_KINDS)}, a local folder, or a Hugging Face name that this machine can reach"
_DEVICES = "set model.device to cpu, or to a cuda or mps device that this machine has"


def is_contrastive(config: ModelConfig) -> bool:
    """Say whether a model is a dual encoder; reads its config at most, never its weights.

    Raises:
        ModelError: the model cannot be found, or is neither generative nor a dual encoder.
    """
    return _kind(config) == "contrastive"


def model_identity(config: ModelConfig) -> str:
    """Return what fingerprints know a model by.

    Returns:
        The digest of a reference model's parts, the digest of a local folder's files, or name and commit of a model
        from the hub.

    Raises:
        ModelError: the model cannot be found.
    """
    if config.name in _REFERENCE_KINDS:
        from pipeline_core.reference import reference_identity  # noqa: PLC0415

        return f"reference:{reference_identity(config.name)}"
    folder = Path(config.name)
    if folder.is_dir():
        return f"folder:{folder_digest(folder)}"
    return f"hub:{config.name}@{_commit(config)}"


def pin_revision(config: ModelConfig) -> ModelConfig:
    """Return the config with a hub model's revision replaced by the commit that it names now; others as they are.

    What is planned and what is loaded hours later are then the same, though a branch may have moved.

    Raises:
        ModelError: the model cannot be found, or its commit not be told.
    """
    if config.name in _REFERENCE_KINDS or Path(config.name).is_dir():
        return config
    return config.model_copy(update={"revision": _commit(config)})


def load_adapter(config: ModelConfig, cache: Path) -> "ModelAdapter":
    """Load a model with its processor, ready to embed.

    Args:
        config: which model, and its device, precision and attention implementation.
        cache: folder below which reference models are assembled at their first use.

    Raises:
        ModelError: the model cannot be found or loaded, or is not of the kind asked for.
    """
    from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoProcessor  # noqa: PLC0415

    from pipeline_core.models.contrastive import ContrastiveAdapter  # noqa: PLC0415
    from pipeline_core.models.generative import GenerativeAdapter  # noqa: PLC0415

    kind = _kind(config)
    place = _place(config, cache)
    loader = AutoModelForImageTextToText if kind == "generative" else AutoModel
    common = {"revision": config.revision, "trust_remote_code": config.trust_remote_code}
    try:
        processor = AutoProcessor.from_pretrained(place, backend="pil", **common)
        _limit_pixels(config, processor)
        attention = _text_attention(AutoConfig.from_pretrained(place, **common), config.attention)
        model = loader.from_pretrained(place, dtype=config.dtype, attn_implementation=attention, **common)
    except LensError:
        raise
    except (OSError, ValueError, RuntimeError, ImportError, KeyError, AttributeError) as error:
        raise _not_loaded(config, error) from error
    try:
        model = model.to(config.device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built for the device
        reason = str(error).splitlines()[0]
        raise ModelError(f"{config.name} cannot run on the device {config.device!r}: {reason}", _DEVICES) from None
    if kind == "generative":
        return GenerativeAdapter(config.name, model, processor)
    return ContrastiveAdapter(config.name, model, processor)


def _kind(config: ModelConfig) -> Kind:
    if config.name in _REFERENCE_KINDS:
        return _REFERENCE_KINDS[config.name]
    if config.kind != "auto":
        return config.kind
    from transformers import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, MODEL_MAPPING  # noqa: PLC0415

    found = _read_config(config)
    generative = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING.get(type(found), None)
    base = MODEL_MAPPING.get(type(found), None)
    dual = hasattr(base, "get_image_features") and hasattr(base, "get_text_features")
    # BLIP and its like are both; what was saved decides.
    if generative is not None and (not dual or generative.__name__ in (found.architectures or ())):
        return "generative"
    if dual:
        return "contrastive"
    raise ModelError(
        f"the model {config.name} ({found.model_type}) neither generates text from pictures nor embeds both",
        "name an image-text-to-text model or a dual encoder, or set model.kind",
    )


def _place(config: ModelConfig, cache: Path) -> str:
    if config.name in _REFERENCE_KINDS:
        from pipeline_core.reference import resolve_reference  # noqa: PLC0415

        return str(resolve_reference(config.name, cache))
    return config.name


def _read_config(config: ModelConfig) -> Any:
    from transformers import AutoConfig  # noqa: PLC0415

    # Every model of the hub is "owner/name", so a plain name is a slip that need not wait for the network.
    if "/" not in config.name and not Path(config.name).is_dir():
        raise ModelError(f"there is no model {config.name!r}", _KNOWN)
    try:
        return AutoConfig.from_pretrained(
            config.name, revision=config.revision, trust_remote_code=config.trust_remote_code
        )
    except (OSError, ValueError, KeyError) as error:
        raise _not_loaded(config, error) from error


def _commit(config: ModelConfig) -> str:
    commit = _read_config(config)._commit_hash
    if not isinstance(commit, str):
        raise ModelError(f"the commit of the model {config.name} cannot be told", "give model.revision, or a folder")
    return commit


def _text_attention(found: Any, attention: str) -> str | dict[str, str]:
    """Set the attention of the language model or text tower only: a picture tower may have none to choose."""
    text = found.get_text_config()
    parts = [name for name in found.sub_configs if getattr(found, name, None) is text]
    return {parts[0]: attention} if parts else attention


def _limit_pixels(config: ModelConfig, processor: Any) -> None:
    if config.max_pixels is None:
        return
    size = processor.image_processor.size
    if "longest_edge" not in size or "shortest_edge" not in size:
        raise ModelError(f"{config.name} has a fixed resolution", "leave model.max_pixels out")
    # In models of variable resolution both "edges" count pixels.
    least = min(size["shortest_edge"], config.max_pixels)
    processor.image_processor.size = {"shortest_edge": least, "longest_edge": config.max_pixels}


def _not_loaded(config: ModelConfig, error: Exception) -> ModelError:
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return ModelError(f"the model {config.name!r} cannot be loaded ({reason})", _KNOWN)
