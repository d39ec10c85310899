"""Which of the stored representations is analysed."""

from pathlib import Path

from pipeline_core.activations.settings import RepresentationSettings
from pipeline_core.activations.vectors import analysis_representation


def analysed(activations: Path, settings: RepresentationSettings) -> str:
    """Return the rep_id of the representation that the settings choose; a model without token states has only one."""
    return analysis_representation(activations, settings.pooling, settings.mask)
