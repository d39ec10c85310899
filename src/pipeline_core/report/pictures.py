"""Pictures of the data set as data URIs, small enough that hundreds fit one page."""

import base64
import io
from pathlib import Path

from PIL import Image

from pipeline_core.dataset.images import ImageReader

LARGEST = 96
"""Longer side, pixels: shown at half of it, so that it is sharp on dense screens too."""

_QUALITY = 82


class Pictures:
    """Opens and shrinks pictures; each is read once. A context manager, as the reader below it."""

    def __init__(self, dataset: Path) -> None:
        """Take the folder of a dataset artifact."""
        self._reader = ImageReader(dataset)
        self._seen: dict[str, str] = {}

    def __enter__(self) -> "Pictures":
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def uri(self, image_ref: str) -> str:
        """Return a picture as a data URI.

        Raises:
            DataError: the picture cannot be read.
        """
        if image_ref not in self._seen:
            self._seen[image_ref] = data_uri(self.open(image_ref, LARGEST))
        return self._seen[image_ref]

    def open(self, image_ref: str, largest: int) -> Image.Image:
        """Return a picture, shrunk to a longer side of at most ``largest`` pixels.

        Raises:
            DataError: the picture cannot be read.
        """
        picture = self._reader.open(image_ref)
        picture.thumbnail((largest, largest))
        return picture


def data_uri(picture: Image.Image) -> str:
    """Return a picture as a WebP data URI."""
    data = io.BytesIO()
    picture.save(data, "WEBP", quality=_QUALITY)
    return "data:image/webp;base64," + base64.b64encode(data.getvalue()).decode()
