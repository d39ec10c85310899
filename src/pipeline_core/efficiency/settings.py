"""Settings of the measurement of costs."""

from pydantic import Field

from pipeline_core.settings import Count, Section


class EfficiencySettings(Section):
    """The cost of adaptation beside that of search."""

    candidates: tuple[Count, ...] = Field(
        (1_000, 10_000, 100_000, 1_000_000), min_length=1, description="Sizes of the pool."
    )
    queries: Count = Field(1_000, description="Queries searched for at once.")
    more_queries: tuple[Count, ...] = Field(
        (100, 5_000), description="Further numbers of queries, at one size of the pool."
    )
    widths: tuple[Count, ...] = Field(
        (3_584,), description="Widths tried at that size beside a generative model's own; Qwen2-VL-7B has this one."
    )
    swept_at: Count = Field(10_000, description="The size: the largest of the pool's that is no larger than this.")
