"""Settings of the measurement of costs."""

from pydantic import Field

from pipeline_core.settings import Count, Section


class EfficiencySettings(Section):
    """The cost of adaptation beside that of search."""

    candidates: tuple[Count, ...] = Field(
        (1_000, 10_000, 100_000, 1_000_000), min_length=1, description="Sizes of the pool."
    )
    queries: Count = Field(1_000, description="Queries searched for at once.")
