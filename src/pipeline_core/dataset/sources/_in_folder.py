"""What sources of data in a folder have in common: the folder must be there, and is read by a module of its own."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

from pipeline_core.dataset.settings import FolderedSettings, existing

if TYPE_CHECKING:
    from pipeline_core.dataset.sources import Readable

Settings = TypeVar("Settings", bound=FolderedSettings)
Settings_contra = TypeVar("Settings_contra", bound=FolderedSettings, contravariant=True)


class Reading(Protocol[Settings_contra]):
    """A module ``reading`` of a source."""

    def identity(self, root: Path, settings: Settings_contra, /) -> str:
        """Return a digest of the files that are read.

        Raises:
            DataError: files are missing, ambiguous or unreadable.
        """

    def read(self, root: Path, settings: Settings_contra, /) -> "Readable":
        """Read and screen the data, split what is not split yet, and set the tasks.

        Raises:
            DataError: files are missing, ambiguous or unreadable, too many rows are bad, or nothing is asked.
        """


class FolderedSource(ABC, Generic[Settings]):
    """A source whose settings name a folder."""

    name: ClassVar[str]
    description: ClassVar[str]
    credit: ClassVar[str | None] = None

    @property
    @abstractmethod
    def reading(self) -> Reading[Settings]:
        """Its module of that name, loaded when it is asked for: it is heavy."""

    def identity(self, settings: Settings) -> str:
        """Return a digest of the files that are read.

        Raises:
            ConfigError: ``dataset.path`` is no folder.
            DataError: as in ``Reading.identity``.
        """
        return self.reading.identity(existing(settings.path), settings)

    def read(self, settings: Settings) -> "Readable":
        """Read and screen the data, split what is not split yet, and set the tasks.

        Raises:
            ConfigError: ``dataset.path`` is no folder.
            DataError: as in ``Reading.read``.
        """
        return self.reading.read(existing(settings.path), settings)
