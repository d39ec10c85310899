"""Settings that every data set has; a source adds its own."""

from pydantic import Field

from pipeline_core.settings import Section, Unit


class DatasetSettings(Section):
    """Which data, and how it is split."""

    name: str = Field(description="Which data set.")
    max_quarantine_share: Unit = Field(0.05, description="Share of bad rows above which the run fails.")
    seed: int = Field(0, ge=0, description="Redraws support and validation; train and test never change.")
