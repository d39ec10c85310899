"""The data set ``huggingface``: pictures with texts as Hugging Face datasets keeps them, in Parquet or Arrow."""

from typing import Literal

from pydantic import Field

from pipeline_core.dataset.settings import CaptionedSettings
from pipeline_core.dataset.sources._in_folder import FolderedSource, Reading


class HuggingFaceSettings(CaptionedSettings):
    """A Hugging Face data set on disk."""

    name: Literal["huggingface"] = Field(
        "huggingface", description="Which data set: one of Hugging Face on disk, Parquet or save_to_disk."
    )
    image: str | None = Field(None, description="Column of pictures; null finds the only one.")
    text: str | None = Field(
        None, description="Column of texts, lists of texts, or class labels; null finds the only one."
    )


class HuggingFaceSource(FolderedSource[HuggingFaceSettings]):
    """A Hugging Face data set on disk."""

    name = "huggingface"
    description = "Pictures with texts of a Hugging Face data set on disk: Parquet shards, or what save_to_disk wrote."
    settings = HuggingFaceSettings

    @property
    def reading(self) -> Reading[HuggingFaceSettings]:
        """Return the module."""
        from pipeline_core.dataset.sources.huggingface import reading  # noqa: PLC0415 - heavy

        return reading


MEMBER = HuggingFaceSource()
