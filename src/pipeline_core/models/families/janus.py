"""Janus: one square picture between markers; its codebook, which draws pictures, takes no part."""

from pipeline_core.models.family import GenerativeFamily


class _Janus(GenerativeFamily):
    name = "janus"
    model_types = frozenset({"janus"})


MEMBER = _Janus()
