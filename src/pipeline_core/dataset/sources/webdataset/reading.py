"""Tars of WebDataset read as a data set: members of one key are a sample, and a picture stays where it lies in its tar.

The key is a member's path up to the first dot of its name; the rest says what it is.
"""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline_core.dataset.captions import Caption, captioned_data, split_of
from pipeline_core.dataset.files import PICTURE_ENDINGS, identify_files, name_told, shards_below, with_bytes_for_halves
from pipeline_core.dataset.places import Place
from pipeline_core.dataset.sources.webdataset import WebDatasetSettings
from pipeline_core.dataset.tables import Dataset
from pipeline_core.errors import DataError

_PICTURES = tuple(ending.removeprefix(".") for ending in PICTURE_ENDINGS)
_REMEDY = "put key.jpg and key.txt, or key.json with a caption, side by side into plain tars"


def identity(root: Path, _settings: WebDatasetSettings) -> str:
    """Return a digest of the tars.

    Raises:
        DataError: there are none, or one cannot be read.
    """
    return identify_files(root, shards_below(root, _REMEDY, ".tar"))


def read(root: Path, settings: WebDatasetSettings) -> Dataset:
    """Read the pictures and texts of all tars.

    Raises:
        DataError: a tar is missing or malformed, too many samples are bad, or nothing is asked.
    """
    tars = shards_below(root, _REMEDY, ".tar")
    captions = (caption for tar in tars for caption in _captions(root, tar, settings))
    return captioned_data(root, captions, settings)


def _captions(root: Path, file: Path, settings: WebDatasetSettings) -> Iterator[Caption]:
    name, split = file.relative_to(root).as_posix(), split_of(file.name, settings.splits)
    seen: set[str] = set()
    for key, parts in _samples(file):
        row = f"{name} {key}"
        if key in seen:
            raise DataError(f"{row} in {root} is there twice, apart", "write the members of a key side by side")
        seen.add(key)
        picture = next((part for ending, part in parts.items() if ending in _PICTURES), None)
        text = parts.get("txt")
        if text is None and "json" in parts:
            text = _caption(row, root, parts["json"], settings.caption)
        if picture is None and text is None:
            continue
        place, fault = picture or Place(file / f"{key}.jpg"), None
        if isinstance(text, bytes):
            text, fault = None, f"{settings.caption} is no text"
        yield Caption(row, f"{name}/{key}", place, (text or "").strip(), split, fault=fault)


def _samples(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Go through the samples: a picture's place, and the text of the others, by ending."""
    try:
        with tarfile.open(file, "r:") as tar:
            key, parts = None, dict[str, Any]()
            while member := tar.next():
                # It keeps every member that it met.
                tar.members.clear()  # type: ignore[attr-defined]
                if not member.isfile():
                    continue
                folder, _, base = name_told(member.name).rpartition("/")
                stem, _, ending = base.partition(".")
                this, ending = f"{folder}/{stem}" if folder else stem, ending.lower()
                if this != key:
                    if key is not None:
                        yield key, parts
                    key, parts = this, {}
                if ending in _PICTURES:
                    parts[ending] = Place(file, member.offset_data, size=member.size)
                elif ending in ("txt", "json"):
                    content = tar.extractfile(member)
                    assert content is not None, "it is a file"
                    parts[ending] = content.read().decode("utf-8")
            if key is not None:
                yield key, parts
            end = tar.offset
        _refuse_cut(file, end)
    except tarfile.TarError as error:
        raise DataError(f"{file} is no plain tar: {error}", _REMEDY) from None
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}", "fetch the file again") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{file} {this}.{ending} is not UTF-8: {error.reason}", "write it again in UTF-8") from None


def _refuse_cut(file: Path, end: int) -> None:
    """Refuse a tar whose members end at anything but the zeros that say so: the package takes it for whole."""
    with file.open("rb") as opened:
        opened.seek(end)
        if opened.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise DataError(f"{file} is cut short or damaged at byte {end}", "fetch the file again")


def _caption(row: str, root: Path, text: str, field: str) -> str | bytes | None:
    try:
        told = with_bytes_for_halves(json.loads(text))
    except (ValueError, RecursionError):
        raise DataError(f"{row}.json in {root} is no JSON", "write an object with the text as a field") from None
    value = told.get(field) if isinstance(told, dict) else None
    if not isinstance(value, str | bytes | None):
        raise DataError(f"{row}.json in {root}: {field} is no text", "set dataset.caption to the field of the text")
    return value
