"""What the hooked pass keeps, and which of it is analysed; in which batches and shards it runs decides no result."""

from typing import Literal, Self

from pydantic import Field

from pipeline_core.model_facts import ModelFacts
from pipeline_core.models.representations import Mask, Pooling
from pipeline_core.models.samples import Role
from pipeline_core.settings import Section, Unit

TRAINING = "training"
"""What is kept of data that only train autoencoders."""


class ActivationsSettings(Section):
    """The one hooked pass over the samples."""

    of_tokens = True
    tolerance = frozenset({"max_refused_share"})

    store: Literal["all", "analysed", "training"] = Field(
        "all",
        description="Vectors kept: of every layer, pooling and mask; the analysed one, for large pools, which lens "
        "sweep needs more than; or, of data that only train autoencoders, what that needs.",
    )
    precision: Literal["float32", "float16"] = Field(
        "float32", description="Numbers of stored embeddings; float16 halves what a large pool takes on the disk."
    )
    layer: int | None = Field(None, ge=0, description="Analysis layer; null is the last, after the final norm.")
    token_roles: tuple[Role, ...] = Field(
        ("image", "text", "prompt", "template"),
        min_length=1,
        description="Tokens whose states are kept to train SAEs; the template's are those of the system's turn, too.",
    )
    max_refused_share: Unit = Field(0.05, description="Share of samples refused by a model above which the run fails.")

    def for_data(self, data: Section) -> Section:
        """Return the section for data that autoencoders are trained on, and nothing else."""
        return self.model_copy(update={"store": TRAINING})


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
