"""The data set ``class_folders``: pictures in a folder for each class, whose name is their text."""

from typing import Literal

from pydantic import Field

from pipeline_core.dataset.settings import CaptionedSettings
from pipeline_core.dataset.sources._in_folder import FolderedSource, Reading


class ClassSettings(CaptionedSettings):
    """Pictures in folders of classes."""

    name: Literal["class_folders"] = Field("class_folders", description="Which data set: a folder for each class.")


class ClassSource(FolderedSource[ClassSettings]):
    """Pictures in folders of classes."""

    name = "class_folders"
    description = "Pictures in a folder for each class, below folders of splits if there are any."
    settings = ClassSettings

    @property
    def reading(self) -> Reading[ClassSettings]:
        """Return the module."""
        from pipeline_core.dataset.sources.class_folders import reading  # noqa: PLC0415 - heavy

        return reading


MEMBER = ClassSource()
