"""The data set ``coco_caption``: pictures of COCO with five captions each, in Parquet as on the hub."""

from typing import Literal

from pydantic import Field

from pipeline_core.dataset.settings import CaptionedSettings
from pipeline_core.dataset.sources._in_folder import FolderedSource, Reading


class CocoSettings(CaptionedSettings):
    """COCO-Caption in a folder."""

    name: Literal["coco_caption"] = Field("coco_caption", description="Which data set: COCO-Caption in a folder.")
    splits: Literal["own", "drawn", "test"] = Field(
        "drawn", description="Splits: drawn by hash; own: as files are named, val being validation; all test."
    )


class CocoSource(FolderedSource[CocoSettings]):
    """COCO-Caption."""

    name = "coco_caption"
    description = "COCO-Caption in Parquet: five captions a picture, found in both directions."
    credit = "Pictures and captions: COCO, CC-BY 4.0."
    settings = CocoSettings

    @property
    def reading(self) -> Reading[CocoSettings]:
        """Return the module."""
        from pipeline_core.dataset.sources.coco_caption import reading  # noqa: PLC0415 - heavy

        return reading


MEMBER = CocoSource()
