"""What the hooked pass keeps, and which of it is analysed; in which batches and shards it runs decides no result."""

from pydantic import Field

from pipeline_core.models.representations import Mask, Pooling
from pipeline_core.models.samples import ROLES, Role
from pipeline_core.settings import Section


class ActivationsSettings(Section):
    """The one hooked pass over the samples."""

    of_tokens = True

    layer: int | None = Field(None, ge=0, description="Analysis layer; null is the last, after the final norm.")
    token_roles: tuple[Role, ...] = Field(ROLES, min_length=1, description="Tokens whose states train the SAE.")


class RepresentationSettings(Section):
    """Which of the stored poolings and masks features, retrieval and the index use; sweeps compare them all."""

    of_tokens = True

    pooling: Pooling = Field("mean", description="Pooling of the token states.")
    mask: Mask = Field("all", description="Tokens pooled; content leaves out instruction and template.")
