"""The data set ``folder``: the user's own pictures with captions, own queries with judgements, or both."""

from typing import Literal

from pydantic import Field

from pipeline_core.dataset.settings import FolderedSettings
from pipeline_core.dataset.sources._in_folder import FolderedSource, Reading


class FolderSettings(FolderedSettings):
    """A folder of the user's own."""

    name: Literal["folder"] = Field(
        "folder", description="Which data set: your own pictures, captions and queries in a folder."
    )
    mixed: bool = Field(
        False, description="Queries search the whole corpus, not only what is of the modality that is asked for."
    )


class FolderSource(FolderedSource[FolderSettings]):
    """The user's own pictures, captions and queries."""

    name = "folder"
    description = "A folder of your own: pictures with captions, queries with judgements, or both."
    settings = FolderSettings

    @property
    def reading(self) -> Reading[FolderSettings]:
        """Return the module."""
        from pipeline_core.dataset.sources.folder import reading  # noqa: PLC0415 - heavy

        return reading


MEMBER = FolderSource()
