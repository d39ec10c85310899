"""What the hooked pass keeps, and which of it is analysed; in which batches and shards it runs decides no result."""

from typing import Literal, Self

from pydantic import Field

from pipeline_core.model_facts import ModelFacts
from pipeline_core.models.representations import Mask, Pooling
from pipeline_core.models.samples import ROLES, Role
from pipeline_core.settings import Section, Unit


class ActivationsSettings(Section):
    """The one hooked pass over the samples."""

    of_tokens = True
    tolerance = frozenset({"max_refused_share"})

    layer: int | None = Field(None, ge=0, description="Analysis layer; null is the last, after the final norm.")
    token_roles: tuple[Role, ...] = Field(ROLES, min_length=1, description="Tokens whose states train the SAE.")
    max_refused_share: Unit = Field(0.05, description="Share of samples refused by a model above which the run fails.")


class RepresentationSettings(Section):
    """Which of the stored poolings and masks features, retrieval and the index use; sweeps compare them all."""

    of_tokens = True

    pooling: Literal[Pooling, "auto"] = Field(
        "auto", description="Pooling of the token states; auto is the last token of an embedder, the mean of others."
    )
    mask: Mask = Field("all", description="Tokens pooled; content leaves out instruction and template.")

    def of_model(self, facts: ModelFacts) -> Self:
        """Return the section with the pooling told."""
        return self if self.pooling != "auto" else self.model_copy(update={"pooling": facts.pooling})
