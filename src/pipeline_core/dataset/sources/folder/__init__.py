"""The data set ``folder``: the user's own pictures with captions, own queries with judgements, or both."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline_core.dataset.settings import FolderedSettings, existing

if TYPE_CHECKING:
    from pipeline_core.dataset.tables import Dataset


class FolderSettings(FolderedSettings):
    """A folder of the user's own."""

    name: Literal["folder"] = Field(
        "folder", description="Which data set: your own pictures, captions and queries in a folder."
    )


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

        return folder_identity(existing(settings.path))

    def read(self, settings: FolderSettings) -> "Dataset":
        """Read and screen captions, queries and judgements, split what is not split yet, and set the tasks.

        Raises:
            ConfigError: ``dataset.path`` is no folder.
            DataError: files are missing, ambiguous or unreadable, too many rows are bad, there are too few pictures to
                split, or nothing is asked.
        """
        from pipeline_core.dataset.sources.folder.reading import read_folder  # noqa: PLC0415 - heavy

        return read_folder(existing(settings.path), settings)


MEMBER = FolderSource()
