"""The data set ``huggingface``: pictures with texts as Hugging Face datasets keeps them, in Parquet or Arrow."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline_core.dataset.settings import CaptionedSettings, existing

if TYPE_CHECKING:
    from pipeline_core.dataset.sources import Readable


class HuggingFaceSettings(CaptionedSettings):
    """A Hugging Face data set on disk."""

    name: Literal["huggingface"] = Field(
        "huggingface", description="Which data set: one of Hugging Face on disk, Parquet or save_to_disk."
    )
    image: str | None = Field(None, description="Column of pictures; null finds the only one.")
    text: str | None = Field(
        None, description="Column of texts, lists of texts, or class labels; null finds the only one."
    )


class HuggingFaceSource:
    """A Hugging Face data set on disk."""

    name = "huggingface"
    description = "Pictures with texts of a Hugging Face data set on disk: Parquet shards, or what save_to_disk wrote."
    credit = None
    settings = HuggingFaceSettings

    def identity(self, settings: HuggingFaceSettings) -> str:
        """Return a digest of the files.

        Raises:
            ConfigError: ``dataset.path`` is no folder.
            DataError: it holds none, or one cannot be read.
        """
        from pipeline_core.dataset.sources.huggingface.reading import huggingface_identity  # noqa: PLC0415 - heavy

        return huggingface_identity(existing(settings.path))

    def read(self, settings: HuggingFaceSettings) -> "Readable":
        """Read and screen pictures and texts, split them, and set text to picture and picture to text.

        Raises:
            ConfigError: ``dataset.path`` is no folder.
            DataError: files are missing or malformed, too many rows are bad, or nothing is asked.
        """
        from pipeline_core.dataset.sources.huggingface.reading import read_huggingface  # noqa: PLC0415 - heavy

        return read_huggingface(existing(settings.path), settings)


MEMBER = HuggingFaceSource()
