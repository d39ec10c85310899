"""How many samples' attention is measured, and which."""

from pydantic import Field

from pipeline_core.settings import Count, Section


class AttentionSettings(Section):
    """Attention over chosen samples."""

    samples: Count = Field(32, description="Samples of each task's modality whose attention is measured.")
    quadrant_samples: Count = Field(64, description="Pictures pasted into a known quadrant.")
    seed: int = Field(0, ge=0, description="Choice of the samples.")
