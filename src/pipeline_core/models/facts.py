"""What is known of a model before it is loaded: told once a plan, from its config at most, never from its weights."""

import json
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from pipeline_core.errors import ModelError
from pipeline_core.model_facts import ModelFacts
from pipeline_core.models.families import FAMILIES
from pipeline_core.models.family import Family
from pipeline_core.models.remembered import recall, remember
from pipeline_core.models.settings import ModelSettings
from pipeline_core.store.fingerprint import folder_digest

_CONFIG = "config.json"


def describe_model(settings: ModelSettings) -> ModelFacts:
    """Find out what a model is.

    Neither torch nor transformers is imported for a model that comes with a family, for a folder whose model type a
    family names, or where one of its type was described before.

    Args:
        settings: which model.

    Raises:
        ModelError: the model cannot be found, its commit not be told, or no family knows what to do with it.
    """
    facts = partial(_facts, settings)
    for family in FAMILIES.values():
        if settings.name in family.brings:
            return facts(family, family.brings[settings.name](), settings.name)
    folder = Path(settings.name)
    if folder.is_dir():
        return facts(_family(settings, folder / _CONFIG), f"folder:{folder_digest(folder)}", str(folder.resolve()))
    file, commit = _from_hub(settings)
    return facts(_family(settings, file), f"hub:{settings.name}@{commit}", settings.name, commit)


def not_loaded(name: str, error: Exception) -> ModelError:
    """Return the error that tells in one line why a model cannot be read or loaded."""
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return ModelError(f"the model {name!r} cannot be loaded ({reason})", _remedy())


def _facts(
    settings: ModelSettings, family: Family, identity: str, place: str, revision: str | None = None
) -> ModelFacts:
    traits = family.traits(settings.name)
    outside = FAMILIES.identity(family.name)
    identity = identity if outside is None else f"{identity} by {family.name} {outside}"
    return ModelFacts(
        settings.name,
        family.name,
        traits.kind,
        traits.has_tokens,
        traits.prompts,
        identity,
        place,
        revision,
        settings.dtype,
        settings.attention,
    )


def _family(settings: ModelSettings, config_file: Path) -> Family:
    """Return the family that names the config's model type, or the general one that recognises it.

    A kind that is set leaves out families of the other.
    """
    config = _read(settings, config_file)
    model_type, architectures = str(config.get("model_type", "")), tuple(config.get("architectures") or ())
    serving = [family for family in FAMILIES.values() if model_type in family.model_types or family.general]
    of_kind = [family for family in serving if settings.kind in ("auto", family.traits(settings.name).kind)]
    named = [family for family in of_kind if not family.general]
    if named or settings.kind != "auto":
        return (named or of_kind)[0]
    key = f"{model_type} {architectures} transformers {metadata.version('transformers')}"
    remembered = recall(key)
    if remembered is not None and remembered in FAMILIES:
        return FAMILIES[remembered]
    family = next((family for family in of_kind if family.recognises(model_type, architectures)), None)
    if family is None:
        raise ModelError(
            f"the model {settings.name} ({model_type}) neither generates text from pictures nor embeds both",
            "name an image-text-to-text model or a dual encoder, or set model.kind",
        )
    remember(key, family.name)
    return family


def _read(settings: ModelSettings, file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise not_loaded(settings.name, error) from error
    if not isinstance(config, dict):
        raise not_loaded(settings.name, ValueError(f"{file.name} holds no object"))
    return config


def _from_hub(settings: ModelSettings) -> tuple[Path, str]:
    """Return the file of a hub model's config, and the commit that it is of."""
    # Every model of the hub is "owner/name", so other names are slips that need not wait for the network.
    if settings.name.count("/") != 1 or settings.name.startswith(("/", ".")):
        raise ModelError(f"there is no model {settings.name!r}", _remedy())
    from transformers.utils.hub import cached_file, extract_commit_hash  # noqa: PLC0415

    try:
        file = cached_file(settings.name, _CONFIG, revision=settings.revision)
    except (OSError, ValueError) as error:
        raise not_loaded(settings.name, error) from error
    # transformers no longer notes the commit in the config that it reads; the cached file's path has it.
    commit = extract_commit_hash(file, None)
    if commit is None:
        raise ModelError(
            f"the commit of the model {settings.name} cannot be told", "give model.revision, or a local folder"
        )
    return Path(file), commit


def _remedy() -> str:
    brought = [name for family in FAMILIES.values() for name in family.brings]
    return f"use {' or '.join(brought)}, a local folder, or a Hugging Face name that this machine can reach"
