"""The data sets that can be analysed: name -> source, and the two things asked of a source."""

from pathlib import Path
from typing import Protocol

from pipeline_core.config import DatasetConfig
from pipeline_core.dataset.emoji import EmojiSource
from pipeline_core.dataset.folder import FolderSource
from pipeline_core.dataset.tables import Dataset, write_dataset
from pipeline_core.errors import ConfigError


class Source(Protocol):
    """Where a data set comes from."""

    def identity(self, config: DatasetConfig) -> str:
        """Return what changes whenever the data do: package versions, a digest of files."""

    def read(self, config: DatasetConfig) -> Dataset:
        """Read, screen and split the data, and set the tasks."""


SOURCES: dict[str, Source] = {"emoji": EmojiSource(), "folder": FolderSource()}
"""Every source by the name that ``dataset.name`` calls it."""


def source_identity(config: DatasetConfig) -> str:
    """Return the identity of the data, which goes into the fingerprint of the dataset stage.

    Raises:
        LensError: the data set is unknown or cannot be found.
    """
    return _source(config).identity(config)


def build_dataset(config: DatasetConfig, folder: Path) -> None:
    """Write the tables of the dataset stage, and the pictures or where they are, into ``folder``.

    Raises:
        LensError: the data set is unknown, cannot be read as what it claims to be, or has too many bad rows.
    """
    write_dataset(_source(config).read(config), folder)


def _source(config: DatasetConfig) -> Source:
    if config.name not in SOURCES:
        raise ConfigError(f"there is no data set {config.name!r}", f"dataset.name may be {' or '.join(SOURCES)}")
    return SOURCES[config.name]
