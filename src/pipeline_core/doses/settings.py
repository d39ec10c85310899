"""Settings of the dose response: how much is removed."""

from pydantic import Field

from pipeline_core.settings import Count, Section, Share


class DoseSettings(Section):
    """The doses, and the draws of their random controls."""

    shares: tuple[Share, ...] = Field(
        (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05),
        min_length=1,
        description="Shares of features removed, each its full rank.",
    )
    ranks: tuple[Count, ...] = Field(
        (1, 2, 4, 8, 16, 32), description="Ranks of the subspace removed, of the features at adaptations.removal.share."
    )
    cumulative_features: int = Field(
        16, ge=0, description="Features removed cumulatively: the first, the first two, ..."
    )
    single_features: int = Field(32, ge=0, description="Features removed one at a time.")
    random_draws: Count = Field(3, description="Draws of each random control of removal.")
