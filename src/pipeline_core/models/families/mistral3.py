"""Mistral 3: Pixtral's tower keeps a picture's shape, and a marker ends each row of tokens."""

from pipeline_core.models.family import GenerativeFamily


class _Mistral3(GenerativeFamily):
    name = "mistral3"
    model_types = frozenset({"mistral3"})


MEMBER = _Mistral3()
