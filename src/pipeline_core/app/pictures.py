"""Pictures that pages show: of a data set, shrunk once, and those that visitors searched with, while they are kept."""

import hashlib
import io
from pathlib import Path
from threading import Lock

from pipeline_core.app.recent import Recent
from pipeline_core.dataset.images import ImageReader, PictureError, decode
from pipeline_core.errors import DataError, QueryError

MEDIA_TYPE = "image/webp"
LARGEST_FILE = 20 * 1024 * 1024
"""Bytes of a picture to search with."""

LARGEST_SIDE = 480
_QUALITY = 82
_KEPT_SMALL, _KEPT_ASKED = 4096, 64


class Thumbnails:
    """Small pictures of the store's data sets."""

    def __init__(self, root: Path) -> None:
        """Take the store's folder."""
        self._root = root
        self._readers: dict[str, tuple[ImageReader, Lock]] = {}
        self._small = Recent[tuple[str, str, int], bytes](_KEPT_SMALL)
        self._guard = Lock()

    def webp(self, dataset: str, image_ref: str, side: int) -> bytes:
        """Return a picture as WebP, its longer side at most so many pixels.

        Args:
            dataset: fingerprint of an artifact of the data set.
            image_ref: the picture, as ``samples`` names it.
            side: pixels.

        Raises:
            DataError: the picture is gone or damaged.
        """
        place = image_ref.partition(":")[2]
        if not dataset.isalnum() or place.startswith("/") or ".." in place.split("/"):
            raise DataError(f"{image_ref!r} is no picture of a data set", "pictures lie below their source")
        key = dataset, image_ref, side
        found = self._small.get(key)
        if found is None:
            with self._guard:
                folder = self._root / "dataset" / dataset
                reader, lock = self._readers.setdefault(dataset, (ImageReader(folder), Lock()))
            try:
                with lock:  # a reader seeks in files that it keeps open
                    data = reader.read_bytes(image_ref)
                found = shrunk(data, side)
            except (PictureError, OSError) as error:
                raise DataError(f"the picture {image_ref} cannot be shown: {error}", "run lens verify") from None
            self._small.put(key, found)
        return found


class Shelf:
    """Pictures that visitors searched with, by the digest of their bytes: links to searches hold meanwhile."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._asked = Recent[str, bytes](_KEPT_ASKED)

    def put(self, data: bytes) -> str:
        """Keep a picture; return its name.

        Raises:
            QueryError: the bytes are no picture that a model can be shown.
        """
        try:
            decode(data)
        except PictureError as error:
            raise QueryError(f"this picture cannot be searched with: {error}", "choose a PNG, JPEG or WebP") from None
        name = hashlib.sha256(data).hexdigest()[:32]
        self._asked.put(name, data)
        return name

    def small(self, name: str, side: int) -> bytes:
        """Return a picture as WebP, its longer side at most so many pixels.

        Raises:
            QueryError: it is not kept any more.
        """
        return shrunk(self.get(name), side)

    def get(self, name: str) -> bytes:
        """Return a picture's file.

        Raises:
            QueryError: it is not kept any more.
        """
        found = self._asked.get(name)
        if found is None:
            raise QueryError("the picture of this search is not kept any more", "choose it again")
        return found


def shrunk(data: bytes, side: int) -> bytes:
    """Return a picture file as WebP of at most so many pixels a side.

    Raises:
        PictureError: the bytes are no picture.
    """
    picture = decode(data)
    picture.thumbnail((side, side))
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=_QUALITY)
    return out.getvalue()
