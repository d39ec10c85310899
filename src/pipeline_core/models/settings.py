"""Which model, and what decides the vectors that it gives; the device is none of it."""

from typing import Literal

from pydantic import Field

from pipeline_core.settings import Count, Section


class ModelSettings(Section):
    """A model to embed with."""

    name: str = Field("reference-mllm", description="A reference model, a Hugging Face name, or a local folder.")
    kind: Literal["auto", "generative", "contrastive"] = Field(
        "auto", description="What the model is taken for; auto asks its config."
    )
    revision: str | None = Field(None, description="Hub revision.")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="Precision of the forward pass.")
    attention: Literal["sdpa", "eager"] = Field("sdpa", description="Attention implementation.")
    max_pixels: Count | None = Field(None, description="Pixel limit of models with variable resolution.")
    trust_remote_code: bool = Field(False, description="Run code that comes with the model.")
