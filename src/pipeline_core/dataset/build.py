"""The data set stage: what its data are, and its tables written."""

from pathlib import Path

from pipeline_core.dataset.settings import DatasetSettings
from pipeline_core.dataset.sources import SOURCES


def source_identity(settings: DatasetSettings) -> str:
    """Return the identity of the data, which goes into the fingerprint of the dataset stage.

    Raises:
        LensError: the data set is unknown or cannot be found.
    """
    return SOURCES.find(settings.name, "dataset.name").identity(settings)


def build_dataset(settings: DatasetSettings, folder: Path) -> None:
    """Write the tables of the dataset stage, and the pictures or where they are, into ``folder``.

    Raises:
        LensError: the data set is unknown, cannot be read as what it claims to be, or has too many bad rows.
    """
    SOURCES.find(settings.name, "dataset.name").read(settings).write(folder)
