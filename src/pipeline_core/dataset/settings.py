"""Settings that every data set has; a source adds its own."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pipeline_core.errors import ConfigError, DataError
from pipeline_core.settings import Section, Unit

_SUPPORT = 1000


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
    unanswered: Literal["left_out", "asked"] = Field(
        "left_out",
        description="Queries that nothing usable answers: left_out; asked, as the paper's code does: no score is of "
        "them, and the statistics of queries are of them too.",
    )

    @property
    def label(self) -> str:
        """What people call it."""
        return self.name

    @property
    def asks_all(self) -> bool:
        """Whether queries that nothing usable answers are asked."""
        return self.unanswered == "asked"

    def for_data(self, data: Section) -> Section:
        """Return the other data."""
        return data


class FolderedSettings(DatasetSettings):
    """Settings of data that are read from a folder.

    ``needed``: fields without a default, and what they are to be set to.
    """

    needed: ClassVar[Mapping[str, str]] = {"path": "the folder"}

    path: DataFolder = Field(description="The folder; relative to where the command is started.")
    support: int | None = Field(
        None,
        ge=0,
        description="Most queries (of captioned pictures: groups) of an own train split that are set aside as support "
        "where there is no support split, and at most half; null takes 1000 where it can. A number is an error where "
        "nothing can be set aside.",
    )

    @property
    def most_support(self) -> int:
        """Most queries or groups that are set aside as support."""
        return _SUPPORT if self.support is None else self.support

    def refuse_without_support(self, there: bool, what: str) -> None:
        """Refuse data whose support was asked for, and which have none; ``what`` and where it is.

        Raises:
            DataError: ``support`` is set, and is not there.
        """
        if self.support and not there:
            raise DataError(
                f"dataset.support is {self.support}, and {what} has no train split that it can be set aside from",
                "give a train split of two queries or groups and more, or leave dataset.support out",
            )

    @property
    def label(self) -> str:
        """What people call it: the folder, too."""
        return f"{self.name} {self.path.name}"

    @model_validator(mode="before")
    @classmethod
    def _is_told_what_it_needs(cls, section: Any) -> Any:
        for field, what in cls.needed.items():
            if isinstance(section, Mapping) and section.get(field) in (None, [], ()):
                name = cls.model_fields["name"].default
                raise ValueError(
                    f"dataset.name is {name}, and dataset.{field} is not set; set dataset.{field} to {what}"
                )
        return section


class CaptionedSettings(FolderedSettings):
    """Settings of captioned pictures in files that may be named by their splits."""

    splits: Literal["own", "drawn", "test"] = Field(
        "own",
        description="Splits: own as files or folders are named, drawn by hash where none is; always drawn; all test.",
    )


def existing(folder: Path) -> Path:
    """Return the folder ``dataset.path``.

    Raises:
        ConfigError: it is no folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"dataset.path is {folder}, which is no folder", "give the folder of the data")
    return folder
