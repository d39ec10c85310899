"""The reference models by name, as configurations and fingerprints know them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pipeline_core.errors import ModelError
from pipeline_core.reference.assembly import build_reference_dual, build_reference_mllm, dual_identity, mllm_identity


class ReferenceModel(NamedTuple):
    """How one reference model is built and identified."""

    build: Callable[[Path], Path]
    identity: Callable[[], str]


REFERENCE_MODELS = {
    "reference-mllm": ReferenceModel(build_reference_mllm, mllm_identity),
    "reference-contrastive": ReferenceModel(build_reference_dual, dual_identity),
}


def resolve_reference(name: str, cache: Path) -> Path:
    """Return the model folder of a reference model, assembled below `cache` at its first use.

    Raises:
        ModelError: there is no reference model of that name, or an embedded package is not installed.
    """
    return _reference(name).build(cache)


def reference_identity(name: str) -> str:
    """Return the digest of a reference model for fingerprints: package versions, our weights, assembly version.

    Raises:
        ModelError: there is no reference model of that name, or an embedded package is not installed.
    """
    return _reference(name).identity()


def _reference(name: str) -> ReferenceModel:
    if name not in REFERENCE_MODELS:
        raise ModelError(f"there is no reference model {name!r}", f"use one of {', '.join(REFERENCE_MODELS)}")
    return REFERENCE_MODELS[name]
