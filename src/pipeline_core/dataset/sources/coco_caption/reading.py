"""COCO-Caption read as a data set: shards with the columns image, answer (a list of captions) and file_name."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from pipeline_core.dataset.captions import Caption, captioned_data, split_of
from pipeline_core.dataset.columns import columns_in, inside_list, is_picture, is_text, read_rows
from pipeline_core.dataset.files import identify_files, shards_below
from pipeline_core.dataset.places import Place
from pipeline_core.dataset.sources.coco_caption import CocoSettings
from pipeline_core.dataset.tables import Dataset
from pipeline_core.errors import DataError

_COLUMNS = ("image", "answer", "file_name")
_REMEDY = "take the shards of COCO-Caption as they are on the hub"


def identity(root: Path, settings: CocoSettings) -> str:
    """Return a digest of the shards.

    Raises:
        DataError: there are none, or one cannot be read.
    """
    return identify_files(root, _shards(root, settings))


def read(root: Path, settings: CocoSettings) -> Dataset:
    """Read the captions of all shards.

    Raises:
        DataError: shards are missing or malformed, too many rows are bad, or nothing is asked.
    """
    return captioned_data(root, _captions(root, settings), settings)


def _shards(root: Path, settings: CocoSettings) -> list[Path]:
    # Captions of its test shards are not public: the column is empty there.
    shards = [file for file in shards_below(root, _REMEDY) if split_of(file.name, "own") != "test"]
    if not shards:
        raise DataError(f"{root} has no shards of pictures with captions", _REMEDY)
    return shards


def _captions(root: Path, settings: CocoSettings) -> Iterator[Caption]:
    for file in _shards(root, settings):
        schema, split = columns_in(file, _COLUMNS, _REMEDY), split_of(file.name, settings.splits)
        answer, image, called = (schema.field(name).type for name in ("answer", "image", "file_name"))
        caption = inside_list(answer)
        if caption is None or not is_text(caption):
            raise DataError(f"{file} has the column answer of type {answer}", "write a list of captions a row")
        if not is_picture(image):
            raise DataError(f"{file} has the column image of type {image}", _REMEDY)
        if not (is_text(called) or pa.types.is_null(called)):
            raise DataError(f"{file} has the column file_name of type {called}", _REMEDY)
        for number, (answers, name) in read_rows(file, _COLUMNS[1:]):
            place = Place(file, number, "image")
            for caption in answers or [""]:
                row = f"{file.relative_to(root)} row {number}"
                yield Caption(row, name or row, place, (caption or "").strip(), split)
