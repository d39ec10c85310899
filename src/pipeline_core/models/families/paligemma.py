"""PaliGemma: no chat template, a processor that adds tokens of its own, and attention both ways over the prompt.

Without the token types that texts get here too, it attends both ways or backwards only, depending on the padding.
"""

from types import MappingProxyType
from typing import Any

from pipeline_core.models.family import GenerativeFamily
from pipeline_core.models.representations import AttentionKind
from pipeline_core.models.size import ModelSize


class _PaliGemma(GenerativeFamily):
    name = "paligemma"
    model_types = frozenset({"paligemma"})
    released_blank = True
    templated = False
    needs = ("accepted terms", "eager attention (version 2)")
    released = MappingProxyType({"google/paligemma2-3b-mix-224": ModelSize(3_032_242_416, False, 2304, 26, 9216, 256)})

    def attention_kind(self, config: Any) -> AttentionKind:
        return "prefix"


MEMBER = _PaliGemma()
