"""InternVL in transformers' own classes: tiles of one size, between markers that stand for no part of a picture."""

from pipeline_core.models.family import GenerativeFamily


class _InternVL(GenerativeFamily):
    name = "internvl"
    model_types = frozenset({"internvl"})


MEMBER = _InternVL()
