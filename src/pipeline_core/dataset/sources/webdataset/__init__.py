"""The data set ``webdataset``: pictures with texts in the tars of WebDataset."""

from typing import Literal

from pydantic import Field

from pipeline_core.dataset.settings import CaptionedSettings
from pipeline_core.dataset.sources._in_folder import FolderedSource, Reading


class WebDatasetSettings(CaptionedSettings):
    """Tars of WebDataset in a folder."""

    name: Literal["webdataset"] = Field("webdataset", description="Which data set: tars of WebDataset in a folder.")
    caption: str = Field("caption", description="Field of a sample's .json that is its text, where it has no .txt.")


class WebDatasetSource(FolderedSource[WebDatasetSettings]):
    """Tars of WebDataset."""

    name = "webdataset"
    description = "Pictures with texts in tars of WebDataset: key.jpg with key.txt, or a caption in key.json."
    settings = WebDatasetSettings

    @property
    def reading(self) -> Reading[WebDatasetSettings]:
        """Return the module."""
        from pipeline_core.dataset.sources.webdataset import reading  # noqa: PLC0415 - heavy

        return reading


MEMBER = WebDatasetSource()
