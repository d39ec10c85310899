"""Data sets: a member owns its settings, identity, reading, tasks, prompts, splits and credit."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar, Union

from pydantic import BeforeValidator, Field

from pipeline_core.dataset.settings import DatasetSettings
from pipeline_core.registry import Registry

Settings_contra = TypeVar("Settings_contra", bound=DatasetSettings, contravariant=True)


class Readable(Protocol):
    """Data as a source gives them: a ``Dataset``, or what goes into tables row by row."""

    def write(self, folder: Path) -> None:
        """Write the dataset stage's tables, and the pictures or where they are, into an artifact's folder."""


class Source(Protocol[Settings_contra]):
    """Where a data set comes from."""

    @property
    def name(self) -> str:
        """What ``dataset.name`` calls it."""

    @property
    def description(self) -> str:
        """What it is, in one sentence."""

    @property
    def credit(self) -> str | None:
        """The line that its licence asks for, wherever its pictures are shown."""

    @property
    def settings(self) -> type[DatasetSettings]:
        """Its section of the config: ``DatasetSettings`` with ``name`` a literal, and fields of its own."""

    def identity(self, settings: Settings_contra) -> str:
        """Return what changes whenever the data do: package versions, a digest of every file that is read."""

    def read(self, settings: Settings_contra) -> Readable:
        """Read, screen and split the data, and set the tasks."""


SOURCES: Registry[Source[Any]] = Registry("data_set", __name__)
"""Every source by the name that ``dataset.name`` calls it."""

DEFAULT = "emoji"
"""The data set of a config that names none: the demo's."""


def dataset_settings_type() -> Any:
    """Return the type of the config's section ``dataset``: the settings of any source, told apart by ``name``."""
    types = tuple(source.settings for source in SOURCES.values())
    return Annotated[Annotated[Union[types], Field(discriminator="name")], BeforeValidator(_named)]  # noqa: UP007


def _named(section: Any) -> Any:
    """Give a section without a name the default's, and refuse in one line what no union tells clearly."""
    if not isinstance(section, Mapping):
        return section
    section = {"name": DEFAULT, **section}
    name = section["name"]
    if not isinstance(name, str) or name not in SOURCES:
        raise ValueError(f"there is no data set {name!r}; dataset.name may be {' or '.join(SOURCES)}")
    for field in section:
        owners = [other for other, source in SOURCES.items() if field in source.settings.model_fields]
        if owners and name not in owners:
            other = " or ".join(owners)
            raise ValueError(
                f"dataset.{field} is not for the data set {name}; leave it out, or set dataset.name={other}"
            )
    return section


if TYPE_CHECKING:
    AnyDataset = DatasetSettings
else:
    AnyDataset = dataset_settings_type()
    """The settings of any source, as the config takes them."""
