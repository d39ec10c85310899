"""Adaptations, one file each: what is done to embeddings before they are compared, with everything about it."""

from pydantic import Field, create_model

from pipeline_core.registry import Registry
from pipeline_core.retrieval.adaptations._kind import (
    ALL_STATISTICS,
    ANALYSIS,
    RAW,
    SEPARATE,
    Adaptation,
    Adapted,
    Compared,
    Sae,
    Scope,
    Singles,
    Statistics,
    Swept,
    System,
    fitted,
    truncated,
)
from pipeline_core.settings import Section

__all__ = [
    "ADAPTATIONS",
    "ALL_STATISTICS",
    "ANALYSIS",
    "RAW",
    "SEPARATE",
    "Adaptation",
    "Adapted",
    "Compared",
    "Sae",
    "Scope",
    "Singles",
    "Statistics",
    "Swept",
    "System",
    "adaptation_settings",
    "fitted",
    "in_order",
    "truncated",
]

ADAPTATIONS: Registry[Adaptation] = Registry("adaptation", __name__)


def in_order() -> list[Adaptation]:
    """Return all adaptations in the order of their places."""
    return sorted(ADAPTATIONS.values(), key=lambda member: (member.place, member.name))


def adaptation_settings() -> type[Section]:
    """Return the section of the config that has a section for each adaptation with parameters."""
    sections = {member.name: member.parameters for member in in_order() if member.parameters is not None}
    composed: type[Section] = create_model(
        "AdaptationSettings",
        __base__=Section,
        __doc__="Parameters of the adaptations.",
        **{
            name: (section, Field(default_factory=section, description=section.__doc__))
            for name, section in sections.items()
        },  # type: ignore[call-overload]
    )
    return composed
