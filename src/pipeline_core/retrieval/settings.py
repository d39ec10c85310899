"""Settings of scoring, which every stage that scores shares, and of the retrieval stage."""

from typing import Literal

from pydantic import Field

from pipeline_core.settings import Count, Section


class ScoringSettings(Section):
    """How systems are scored and compared."""

    ks: tuple[Count, ...] = Field((1, 5, 10), min_length=1, description="Cut-offs.")
    denominator: Literal["judged", "all"] = Field(
        "judged",
        description="Queries that scores are averaged over: judged, those with an answer in the pool; all, as the "
        "paper's code does: the others are misses, quarantined ones too.",
    )
    bootstrap: Count = Field(1000, description="Bootstrap samples of an interval.")
    permutations: Count = Field(
        10_000,
        description="Permutations of a paired test; p cannot fall below 1 / this, nor q below that times the tests.",
    )
    seed: int = Field(0, ge=0, description="Seed of controls, bootstrap and permutations.")


class RetrievalSettings(Section):
    """What an analysis keeps and tries beside its systems."""

    depth: Count = Field(50, description="Length of the result lists that are kept.")
    single_features: int = Field(12, ge=0, description="Features also removed one at a time, by attribution.")
