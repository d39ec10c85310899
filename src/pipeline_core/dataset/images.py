"""Pictures of a data set, opened by reference and shown on white."""

import hashlib
import io
import json
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline_core.dataset.places import Place, Places
from pipeline_core.errors import DataError

IMAGES_FILE = "images.parquet"
SOURCE_FILE = "source.json"
_IMAGE_COLUMN = "image"
_IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_ROW_GROUP = 256
_REMEDY = "restore the data set's files, or build it again"
_LONGEST_SIDE = 300
"""Most times that a picture may be as long as it is short: processors resize the short side, before they crop."""

_OTHER_FILES = {
    b"version https://git-lfs": "a pointer of Git LFS, which git lfs pull replaces by the picture",
    b"<!doctype html": "a web page (HTML)",
    b"<html": "a web page (HTML)",
    b"<svg": "a drawing (SVG)",
    b"%!ps": "a page of PostScript",
    b"\xc5\xd0\xd3\xc6": "a page of PostScript",
}
"""What is often found where a picture should be, by how it begins. PostScript is a program: Pillow has it run."""

_LONGEST_REASON = 200  # characters: a decoder may quote the whole file

# Of damage that it can do without, and of sizes below its limit, Pillow warns on the terminal.
warnings.filterwarnings("ignore", module=r"PIL\.")


class PictureError(ValueError):
    """Bytes that are no picture, a damaged one, or one that no model can be shown; the reason in a few words."""


def on_white(picture: Image.Image) -> Image.Image:
    """Return the picture in RGB, transparency composited on white: the page that art is drawn for.

    Greys of more than 8 bits are scaled, as clipping would make all of them white or black: 16 bits from their range,
    whole and real numbers, which have none, from the picture's own.

    Raises:
        ValueError: a value is no finite number.
    """
    if picture.mode.startswith(("I", "F")):
        return _scaled(picture).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    art = picture.convert("RGBA")
    page = Image.new("RGBA", art.size, "white")
    page.alpha_composite(art)
    return page.convert("RGB")


def _scaled(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture, dtype=np.float64)
    low, high = (0.0, 65535.0) if picture.mode.startswith("I;16") else (values.min(), values.max())
    if not np.isfinite(high - low):
        raise ValueError("it has values that are not finite")
    return Image.fromarray(np.rint((values - low) / ((high - low) or 1.0) * 255).astype(np.uint8))


def decode(data: bytes) -> Image.Image:
    """Decode a picture file: RGB on white, upright as its EXIF orientation says.

    Raises:
        PictureError: the bytes are no picture, a damaged one, too large, or longer than any model takes.
    """
    begins = data[:200].lstrip().lower()
    for other, what in _OTHER_FILES.items():
        if begins.startswith(other):
            raise PictureError(f"it is {what}")
    try:
        with Image.open(io.BytesIO(data)) as picture:
            short, long = sorted(picture.size)
            if long > _LONGEST_SIDE * short:
                raise PictureError(f"{picture.width} x {picture.height} pixels: longer than {_LONGEST_SIDE} to 1")
            return on_white(ImageOps.exif_transpose(picture))
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError("it is of no known format" if data else "the file is empty") from None
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise PictureError(f"it has more than {most:,} pixels, the limit against bombs") from None
    except Exception as error:
        if "MAX_TEXT_CHUNK" in str(error):
            raise PictureError("it has a text chunk that is too large") from None
        reason = " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__
        raise PictureError(f"it is damaged: {reason}") from None


def picture_digest(picture: Image.Image) -> str:
    """Return the sha256 of a picture's size and pixels: equal for pictures that look the same in different files."""
    return hashlib.sha256(f"{picture.size}{picture.mode}".encode() + picture.tobytes()).hexdigest()


def write_images(folder: Path, pictures: list[Path]) -> list[str]:
    """Copy picture files into ``images.parquet``, struct column image{bytes, path} as in Hugging Face data sets.

    Returns:
        The reference of each picture, in the order given.
    """
    rows = [{"bytes": picture.read_bytes(), "path": picture.name} for picture in pictures]
    table = pa.table({_IMAGE_COLUMN: pa.array(rows, _IMAGE_TYPE)})
    # The bytes are compressed already.
    pq.write_table(table, folder / IMAGES_FILE, row_group_size=_ROW_GROUP, compression="none")
    return [f"parquet:{IMAGES_FILE}#{row}" for row in range(len(pictures))]


class ImageReader:
    """Opens the pictures of a dataset artifact by their ``image_ref``. A context manager: it keeps files open."""

    def __init__(self, dataset_folder: Path) -> None:
        """Take the folder of a dataset artifact; nothing is read before the first picture."""
        self._folder = dataset_folder
        self._root: Path | None = None
        self._places = Places()

    def __enter__(self) -> "ImageReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files that were opened."""
        self._places.close()

    def expect(self, image_refs: Iterable[str]) -> None:
        """Say which pictures will be opened, so that rows of a shard that lie together are read once."""
        self._places.expect(map(self._place, image_refs))

    def open(self, image_ref: str) -> Image.Image:
        """Return a picture in RGB, on white.

        Args:
            image_ref: ``parquet:<file>#<row>`` below the artifact, or a place below the source's root, as ``Place``
                writes it.

        Raises:
            DataError: the reference is of no such form, or what it points at is gone or no picture.
            OSError: the file is there and cannot be read.
        """
        data = self.read_bytes(image_ref)
        try:
            return decode(data)
        except PictureError as error:
            raise DataError(f"the picture {image_ref} cannot be read: {error}", _REMEDY) from None

    def read_bytes(self, image_ref: str) -> bytes:
        """Return a picture's file as bytes.

        Raises:
            DataError: the reference is of no such form, or what it points at is gone.
            OSError: the file is there and cannot be read.
        """
        place = self._place(image_ref)
        try:
            return self._places.read(place)
        except (FileNotFoundError, IndexError):
            raise DataError(f"the picture {image_ref} does not exist", _REMEDY) from None

    def _place(self, image_ref: str) -> Place:
        kind, _, place = image_ref.partition(":")
        if kind != "parquet":
            return Place.parse(image_ref, self._source_root())
        file, _, row = place.rpartition("#")
        if not file or not row.isdecimal():
            raise DataError(f"{image_ref!r} is no picture reference", "it may be parquet:<file>#<row>")
        return Place(self._folder / file, int(row), _IMAGE_COLUMN)

    def _source_root(self) -> Path:
        if self._root is None:
            source = self._folder / SOURCE_FILE
            # An artifact that holds its pictures names no root: only a wrong reference asks for one.
            told = json.loads(source.read_text(encoding="utf-8")) if source.is_file() else {}
            self._root = Path(told.get("root", self._folder))
        return self._root
