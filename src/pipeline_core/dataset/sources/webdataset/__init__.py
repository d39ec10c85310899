"""The data set ``webdataset``: pictures with texts in the tars of WebDataset."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline_core.dataset.settings import CaptionedSettings, existing

if TYPE_CHECKING:
    from pipeline_core.dataset.sources import Readable


class WebDatasetSettings(CaptionedSettings):
    """Tars of WebDataset in a folder."""

    name: Literal["webdataset"] = Field("webdataset", description="Which data set: tars of WebDataset in a folder.")
    caption: str = Field("caption", description="Field of a sample's .json that is its text, where it has no .txt.")


class WebDatasetSource:
    """Tars of WebDataset."""

    name = "webdataset"
    description = "Pictures with texts in tars of WebDataset: key.jpg with key.txt, or a caption in key.json."
    credit = None
    settings = WebDatasetSettings

    def identity(self, settings: WebDatasetSettings) -> str:
        """Return a digest of the tars.

        Raises:
            ConfigError: ``dataset.path`` is no folder.
            DataError: it holds none, or one cannot be read.
        """
        from pipeline_core.dataset.sources.webdataset.reading import webdataset_identity  # noqa: PLC0415 - heavy

        return webdataset_identity(existing(settings.path))

    def read(self, settings: WebDatasetSettings) -> "Readable":
        """Read and screen pictures and texts, split them, and set text to picture and picture to text.

        Raises:
            ConfigError: ``dataset.path`` is no folder.
            DataError: tars are missing or malformed, too many samples are bad, or nothing is asked.
        """
        from pipeline_core.dataset.sources.webdataset.reading import read_webdataset  # noqa: PLC0415 - heavy

        return read_webdataset(existing(settings.path), settings)


MEMBER = WebDatasetSource()
