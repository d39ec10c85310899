"""Settings that every data set has; a source adds its own."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from pipeline_core.errors import ConfigError
from pipeline_core.settings import Section, Unit


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


DataFolder = Annotated[Path, BeforeValidator(_as_written), AfterValidator(_absolute)]
"""A folder of data, as an absolute path."""


class DatasetSettings(Section):
    """Which data, and how it is split."""

    name: str = Field(description="Which data set.")
    max_quarantine_share: Unit = Field(0.05, description="Share of bad rows above which the run fails.")
    seed: int = Field(0, ge=0, description="Redraws support and validation; train and test never change.")


def existing(folder: Path) -> Path:
    """Return the folder ``dataset.path``.

    Raises:
        ConfigError: it is no folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"dataset.path is {folder}, which is no folder", "give the folder of the data")
    return folder
