"""PaliGemma: no chat template, a processor that adds tokens of its own, and attention both ways over the prompt.

Without the token types that texts get here too, it attends both ways or backwards only, depending on the padding.
"""

from typing import Any

from pipeline_core.models.family import GenerativeFamily
from pipeline_core.models.representations import AttentionKind


class _PaliGemma(GenerativeFamily):
    name = "paligemma"
    model_types = frozenset({"paligemma"})
    released_blank = True

    def attention_kind(self, config: Any) -> AttentionKind:
        return "prefix"


MEMBER = _PaliGemma()
