"""The embedded reference models: found by name, put together from their packages, otherwise like any other model."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipeline_core.models.family import DualEncoderFamily, GenerativeFamily, Traits, TransformersFamily
from pipeline_core.models.size import ModelSize
from pipeline_core.reference import names

if TYPE_CHECKING:
    from pipeline_core.model_facts import ModelFacts
    from pipeline_core.models.embedder import Embedder


# They are put together when they are first used: what their files will tell is said here.
_SIZES = {
    names.MLLM: ModelSize(138_998_289, True, 576, 30, 1536, 16),
    names.DUAL: ModelSize(26_831_441, True, 512, 0, 1536, 49),
}


def _identity(model: str) -> str:
    return f"reference:{names.reference_identity(model)}"


class _Reference(TransformersFamily):
    name = "reference"
    _like: Mapping[str, TransformersFamily] = {names.MLLM: GenerativeFamily(), names.DUAL: DualEncoderFamily()}
    brings = MappingProxyType({name: partial(_identity, name) for name in _like})

    def traits(self, model: str) -> Traits:
        return self._like[model].traits(model)

    def size(self, facts: "ModelFacts") -> ModelSize:
        return _SIZES[facts.place]

    def place(self, facts: "ModelFacts", cache: Path) -> str:
        return str(names.resolve_reference(facts.place, cache))

    def load_model(self, facts: "ModelFacts", place: str, options: Mapping[str, Any]) -> Any:
        return self._like[facts.place].load_model(facts, place, options)

    def embedder(self, facts: "ModelFacts", model: Any, processor: Any) -> "Embedder":
        return self._like[facts.place].embedder(facts, model, processor)


MEMBER = _Reference()
