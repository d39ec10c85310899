"""The data set ``folder``: the user's own pictures with captions, own queries with judgements, or both."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pipeline_core.dataset.settings import DatasetSettings
from pipeline_core.errors import ConfigError

if TYPE_CHECKING:
    from pipeline_core.dataset.tables import Dataset


def _as_written(value: Any) -> Any:
    """Take a name that YAML reads as a number or a date for the text that it is."""
    if isinstance(value, bool):
        raise ValueError(f"it reads as {str(value).lower()}; put the folder's name in quotes")
    if value == "":
        raise ValueError("it is empty; give the folder")
    return str(value) if isinstance(value, int | float | date) else value


def _absolute(path: Path) -> Path:
    """Tell a folder by where it is, not by where the command was started or how its path was spelt."""
    try:
        return path.expanduser().resolve()
    except (RuntimeError, OSError, ValueError) as error:
        raise ValueError(f"{path} is no path: {error}") from None


class FolderSettings(DatasetSettings):
    """A folder of the user's own."""

    name: Literal["folder"] = Field(
        "folder", description="Which data set: your own pictures, captions and queries in a folder."
    )
    path: Annotated[Path, BeforeValidator(_as_written), AfterValidator(_absolute)] = Field(
        description="The folder; relative to where the command is started."
    )

    @model_validator(mode="before")
    @classmethod
    def _has_path(cls, section: Any) -> Any:
        if isinstance(section, Mapping) and section.get("path") is None:
            raise ValueError("dataset.name is folder, and dataset.path is not set; set dataset.path to the folder")
        return section


class FolderSource:
    """The user's own pictures, captions and queries."""

    name = "folder"
    description = "A folder of your own: pictures with captions, queries with judgements, or both."
    credit = None
    settings = FolderSettings

    def identity(self, settings: FolderSettings) -> str:
        """Return a digest of the files that say what the data are, and of the pictures that they name.

        Raises:
            ConfigError: ``dataset.path`` is no folder.
            DataError: those files are missing, ambiguous or unreadable.
        """
        from pipeline_core.dataset.sources.folder.reading import folder_identity  # noqa: PLC0415 - heavy

        return folder_identity(_root(settings))

    def read(self, settings: FolderSettings) -> "Dataset":
        """Read and screen captions, queries and judgements, split what is not split yet, and set the tasks.

        Raises:
            ConfigError: ``dataset.path`` is no folder.
            DataError: files are missing, ambiguous or unreadable, too many rows are bad, there are too few pictures to
                split, or nothing is asked.
        """
        from pipeline_core.dataset.sources.folder.reading import read_folder  # noqa: PLC0415 - heavy

        return read_folder(_root(settings), settings)


def _root(settings: FolderSettings) -> Path:
    if not settings.path.is_dir():
        raise ConfigError(f"dataset.path is {settings.path}, which is no folder", "give a folder of pictures")
    return settings.path


MEMBER = FolderSource()
