"""The data set ``class_folders``: pictures in a folder for each class, whose name is their text."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline_core.dataset.settings import CaptionedSettings, existing

if TYPE_CHECKING:
    from pipeline_core.dataset.sources import Readable


class ClassSettings(CaptionedSettings):
    """Pictures in folders of classes."""

    name: Literal["class_folders"] = Field("class_folders", description="Which data set: a folder for each class.")


class ClassSource:
    """Pictures in folders of classes."""

    name = "class_folders"
    description = "Pictures in a folder for each class, below folders of splits if there are any."
    credit = None
    settings = ClassSettings

    def identity(self, settings: ClassSettings) -> str:
        """Return a digest of the pictures and their folders.

        Raises:
            ConfigError: ``dataset.path`` is no folder.
            DataError: it holds no pictures, or one cannot be read.
        """
        from pipeline_core.dataset.sources.class_folders.reading import classes_identity  # noqa: PLC0415 - heavy

        return classes_identity(existing(settings.path))

    def read(self, settings: ClassSettings) -> "Readable":
        """Read and screen the pictures, split them, and set class to picture and picture to class.

        Raises:
            ConfigError: ``dataset.path`` is no folder.
            DataError: folders are missing or mixed, too many pictures are bad, or nothing is asked.
        """
        from pipeline_core.dataset.sources.class_folders.reading import read_classes  # noqa: PLC0415 - heavy

        return read_classes(existing(settings.path), settings)


MEMBER = ClassSource()
