"""Gemma 3: the tokens of a picture attend to one another both ways, all others backwards only."""

from typing import Any

from pipeline_core.models.family import GenerativeFamily
from pipeline_core.models.representations import AttentionKind


class _Gemma3(GenerativeFamily):
    name = "gemma3"
    model_types = frozenset({"gemma3"})
    needs = ("accepted terms",)

    def attention_kind(self, config: Any) -> AttentionKind:
        return "picture"


MEMBER = _Gemma3()
