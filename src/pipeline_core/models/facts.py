"""What is known of a model before it is loaded: told once a plan, from its config at most, never from its weights."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path, PurePath
from pickle import UnpicklingError
from typing import Any

from pipeline_core.errors import ModelError, reason_of
from pipeline_core.model_facts import ModelFacts, Place
from pipeline_core.models.checkpoint import ADAPTER, CONFIG, broken, precision, read_json
from pipeline_core.models.families import FAMILIES
from pipeline_core.models.family import Family
from pipeline_core.models.hub import locate
from pipeline_core.models.remembered import recall, remember
from pipeline_core.models.settings import ModelSettings
from pipeline_core.store.fingerprint import folder_digest

_WANTS_DEVICE = re.compile(r"(requires|needed|only supported)\b.*\bGPU\b|\bGPU is (required|needed)", re.DOTALL)
_BEHIND_DEVICE = {
    "fbgemm": "fbgemm-gpu",
    "FPQuant": "fp_quant and qutlass",
    "HIGGS": "flute-kernel and fast_hadamard_transform",
    "SpQR": "spqr_quant[gpu]",
}
"""Packages of quantised weights of which transformers speaks only where there is a device for them."""


def describe_model(settings: ModelSettings) -> ModelFacts:
    """Find out what a model is.

    Neither torch nor transformers is imported for a model that comes with a family, for one whose model type a family
    names, or where one of its type was described before.

    Args:
        settings: which model.

    Raises:
        ModelError: the model cannot be found, its commit not be told, or no family knows what to do with it.
    """
    for family in FAMILIES.values():
        if settings.name in family.brings:
            _chosen(settings, [family])
            place = Place(settings.name, None)
            dtype = "float32" if settings.dtype == "auto" else settings.dtype
            return _facts(settings, family, family.brings[settings.name](), place, dtype)
    folder, place = _find(settings.name, settings.revision)
    if (folder / CONFIG).is_file() or not (folder / ADAPTER).is_file():
        return _described(settings, folder, place, settings.name, place.name)
    base, commit = _base(settings, folder)
    try:
        found = _find(base, commit)
        facts = _described(settings, *found, settings.name, place.name, base)
    except ModelError as error:
        remedy = f"{error.remedy}; model.base says where it is"
        raise ModelError(f"the adapter {settings.name} needs its base: {error.problem}", remedy) from error
    return replace(facts, identity=f"{_identity(folder, place)} over {facts.identity}", adapter=place)


def _base(settings: ModelSettings, folder: Path) -> tuple[str, str | None]:
    """Return what an adapter in a folder was trained over: as its settings say, else as it does.

    A path that is there neither by itself nor from the current folder, as peft takes it, is one from the adapter's.
    """
    if settings.base is not None:
        return settings.base, settings.base_revision
    tuned = read_json(settings.name, folder / ADAPTER)
    base, commit = tuned.get("base_model_name_or_path"), tuned.get("revision")
    if not isinstance(base, str) or not isinstance(commit, str | None):
        raise broken(settings.name, f"{ADAPTER} names no base model")
    beside = folder / base
    with suppress(OSError, RuntimeError, ValueError):  # as in _find, which tells of them
        if beside.is_dir() and beside.resolve() != folder and not Path(base).expanduser().is_dir():
            return str(beside), commit
    return base, commit


def pinned(settings: ModelSettings, facts: ModelFacts) -> ModelSettings:
    """Return the settings of a model with all told that was left open: where and what it is, commit and precision."""
    place = facts.adapter or Place(facts.place, facts.revision)
    alias = None if facts.name == place.name else facts.name
    told: dict[str, Any] = {"revision": place.commit, "dtype": facts.dtype, "rendering": facts.rendering}
    if facts.adapter is not None:
        told |= {"base": facts.place, "base_revision": facts.revision}
    return settings.model_copy(update={"name": place.name, "alias": alias, "family": facts.family, **told})


def not_loaded(name: str, error: Exception) -> ModelError:
    """Return the error that tells in one line why a model cannot be read or loaded."""
    if isinstance(error, UnpicklingError):
        reason, remedy = "its weights are a pickle that holds more than weights", "convert them to safetensors"
    else:
        reason = reason_of(error)
        remedy = (
            lacking(error) or "see whether transformers loads it by itself, download it again, or name another model"
        )
    return ModelError(f"the model {name!r} cannot be loaded ({reason})", remedy)


def lacking(error: Exception) -> str | None:
    """Return what to do where an error tells of a device or a package that is not here; None where it does not."""
    words = str(error)
    if "trust_remote_code" in words:
        return "read the code that comes with it, then set model.trust_remote_code=true"
    if _WANTS_DEVICE.search(words) and "install" not in words:
        package = next((package for method, package in _BEHIND_DEVICE.items() if method in words), None)
        behind = "" if package is None else f" and {package} installed"
        return f"set placement.device on a machine with such a device{behind}, or name a copy that is not quantised so"
    return "install the package that it names" if isinstance(error, ImportError) or "install" in words else None


def _find(name: str, revision: str | None) -> tuple[Path, Place]:
    """Return the folder in which a checkpoint's config is, and the checkpoint's place."""
    try:
        folder = Path(name).expanduser()
        if folder.is_dir():
            folder = folder.resolve()
            return folder, Place(str(folder), None)
    except (OSError, RuntimeError) as error:  # too long a name, or nobody's home
        raise not_loaded(name, error) from error
    # Every model of the hub is "owner/name", so other names are slips that need not wait for the network.
    if name.count("/") != 1 or name.startswith(("/", ".", "~")):
        raise ModelError(f"there is no model {name!r}", _remedy())
    folder, commit = locate(name, revision, CONFIG, ADAPTER)
    return folder, Place(name, commit)


def _described(settings: ModelSettings, folder: Path, place: Place, *names: str) -> ModelFacts:
    config = read_json(settings.name, folder / CONFIG)
    family = _family(settings, config, [PurePath(name).name for name in names])
    dtype = precision(settings.name, folder, config) if settings.dtype == "auto" else settings.dtype
    return _facts(settings, family, _identity(folder, place), place, dtype)


def _identity(folder: Path, place: Place) -> str:
    try:
        return f"folder:{folder_digest(folder)}" if place.commit is None else f"hub:{place.name}@{place.commit}"
    except OSError as error:
        raise not_loaded(place.name, error) from error


def _facts(settings: ModelSettings, family: Family, identity: str, place: Place, dtype: str) -> ModelFacts:
    traits = family.traits(settings.name)
    outside = FAMILIES.identity(family.name)
    return ModelFacts(
        settings.label,
        family.name,
        traits.kind,
        traits.has_tokens,
        traits.prompts,
        identity if outside is None else f"{identity} by {family.name} {outside}",
        place.name,
        place.commit,
        dtype,
        settings.attention,
        "released" if traits.lays_out or not traits.prompts else settings.rendering,
        traits.pooling,
        max_tokens=settings.max_tokens,
        hidden_state=settings.hidden_state,
        text_picture=settings.text_picture,
    )


def _family(settings: ModelSettings, config: dict[str, Any], names: Sequence[str]) -> Family:
    """Return the family that is set, or that names the config's model type, or the general one that recognises it.

    Families of models that are published under some name come first, if one of ``names`` is such. A kind that is set
    leaves out families of the other.
    """
    model_type, architectures = str(config.get("model_type", "")), config.get("architectures") or []
    if not isinstance(architectures, list):
        raise broken(settings.name, f"architectures in {CONFIG} is no list")
    architectures = tuple(map(str, architectures))
    serving = [family for family in FAMILIES.values() if model_type in family.model_types or family.general]
    of_kind = [family for family in serving if settings.kind in ("auto", family.traits(settings.name).kind)]
    if (chosen := _chosen(settings, of_kind, model_type)) is not None:
        return chosen
    published = [family for name in names for family in of_kind if family.names and family.names.search(name)]
    named = published or [family for family in of_kind if not (family.general or family.names)]
    if named or settings.kind != "auto":
        return (named or of_kind)[0]
    key = f"{model_type} {architectures} transformers {metadata.version('transformers')}"
    if (family := _of_own_code(settings, config, of_kind)) is not None:
        return family
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


def _of_own_code(settings: ModelSettings, config: dict[str, Any], serving: Sequence[Family]) -> Family | None:
    """Return the general family of a model whose type only its own code knows; None if it has no such code."""
    own = config.get("auto_map")
    if not isinstance(own, dict) or "AutoConfig" not in own:
        return None
    if not settings.trust_remote_code:
        raise ModelError(
            f"the model {settings.name} comes with code of its own", "read it, then set model.trust_remote_code=true"
        )
    kind = "generative" if "AutoModelForImageTextToText" in own else None
    found = [family for family in serving if family.general and family.traits(settings.name).kind == kind]
    if not found:
        raise ModelError(
            f"the code of the model {settings.name} does not say that it generates text from pictures",
            "set model.kind to contrastive if it embeds both, or name another model",
        )
    return found[0]


def _chosen(settings: ModelSettings, serving: Sequence[Family], model_type: str = "") -> Family | None:
    """Return the family that is set, which must be among those that can serve the model; None if none is set."""
    if settings.family == "auto":
        return None
    family = FAMILIES.find(settings.family, "model.family")
    if family not in serving:
        known = ", ".join(part for part in (model_type, settings.kind) if part)
        raise ModelError(
            f"the family {family.name} does not serve {settings.name} ({known})",
            f"set model.family to {' or '.join(other.name for other in serving)}",
        )
    return family


def _remedy() -> str:
    brought = [name for family in FAMILIES.values() for name in family.brings]
    return f"use {' or '.join(brought)}, a local folder, or a Hugging Face name that this machine can reach"
