"""Settings of feature statistics."""

from pydantic import Field

from pipeline_core.settings import Count, Section, Share


class FeatureSettings(Section):
    """Feature statistics."""

    share: Share = Field(0.01, description="Share of features in the top sets.")
    overlap_shares: tuple[Share, ...] = Field(
        (0.005, 0.01, 0.02, 0.05), min_length=1, description="Shares of the overlaps."
    )
    pairs_per_feature: Count = Field(64, description="Largest |B| kept a feature.")
    examples: Count = Field(8, description="Top samples kept a feature and modality.")
