"""What every part of the config is made of."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(gt=0.0, lt=1.0)]
"""A part of a whole, neither nothing nor all of it."""

Unit = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A frozen part of the config; unknown fields are refused.

    ``of_tokens``: only what is made of token states depends on it, so that it is in no key of a model without them.
    """

    of_tokens: ClassVar[bool] = False
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
