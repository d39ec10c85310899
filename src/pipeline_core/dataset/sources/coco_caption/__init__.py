"""The data set ``coco_caption``: pictures of COCO with five captions each, in Parquet as on the hub."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline_core.dataset.settings import CaptionedSettings, existing

if TYPE_CHECKING:
    from pipeline_core.dataset.sources import Readable


class CocoSettings(CaptionedSettings):
    """COCO-Caption in a folder."""

    name: Literal["coco_caption"] = Field("coco_caption", description="Which data set: COCO-Caption in a folder.")
    splits: Literal["own", "drawn", "test"] = Field(
        "drawn", description="Splits: drawn by hash; own: as files are named, val being validation; all test."
    )


class CocoSource:
    """COCO-Caption."""

    name = "coco_caption"
    description = "COCO-Caption in Parquet: five captions a picture, found in both directions."
    credit = "Pictures and captions: COCO, CC-BY 4.0."
    settings = CocoSettings

    def identity(self, settings: CocoSettings) -> str:
        """Return a digest of the shards.

        Raises:
            ConfigError: ``dataset.path`` is no folder.
            DataError: it holds no shards, or one cannot be read.
        """
        from pipeline_core.dataset.sources.coco_caption.reading import coco_identity  # noqa: PLC0415 - heavy

        return coco_identity(existing(settings.path), settings)

    def read(self, settings: CocoSettings) -> "Readable":
        """Read and screen pictures and captions, split them, and set text to picture and picture to text.

        Raises:
            ConfigError: ``dataset.path`` is no folder.
            DataError: shards are missing or unreadable, too many rows are bad, or nothing is asked.
        """
        from pipeline_core.dataset.sources.coco_caption.reading import read_coco  # noqa: PLC0415 - heavy

        return read_coco(existing(settings.path), settings)


MEMBER = CocoSource()
