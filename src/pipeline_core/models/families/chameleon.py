"""Chameleon: pictures become words of a codebook, and its processor ends a turn by a separator."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipeline_core.models.family import GenerativeFamily
from pipeline_core.models.size import ModelSize

if TYPE_CHECKING:
    import torch


class _Chameleon(GenerativeFamily):
    name = "chameleon"
    model_types = frozenset({"chameleon"})
    needs = ("accepted terms",)
    released = MappingProxyType({"facebook/chameleon-7b": ModelSize(7_043_448_832, False, 4096, 32, 11_008, 1024)})

    def split_features(self, output: Any, n_tokens: Sequence[int]) -> "Sequence[torch.Tensor] | None":
        from transformers.modeling_outputs import BaseModelOutputWithPooling  # noqa: PLC0415

        # The codebook's own outputs, which come with the features, enter no decoder.
        return super().split_features(BaseModelOutputWithPooling(pooler_output=output.pooler_output), n_tokens)


MEMBER = _Chameleon()
