"""A Hugging Face data set on disk read as a data set: its files by split, its columns by what their features say.

Parquet shards are called after their split, or lie in a folder that is; ``save_to_disk`` writes a folder a split, with
``state.json`` naming the Arrow files and ``dataset_info.json`` the features.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline_core.dataset.captions import Caption, captioned_data, split_of
from pipeline_core.dataset.columns import (
    columns_in,
    features_of,
    inside_list,
    is_picture,
    is_text,
    read_rows,
    schema_of,
)
from pipeline_core.dataset.files import identify_files, shards_below
from pipeline_core.dataset.places import Place
from pipeline_core.dataset.sources.huggingface import HuggingFaceSettings
from pipeline_core.dataset.tables import Dataset
from pipeline_core.errors import DataError

_STATE, _INFO = "state.json", "dataset_info.json"
_REMEDY = "save the data set again"


@dataclass(frozen=True)
class _File:
    """A file with its split, if its name tells one, and the features that are noted beside it."""

    path: Path
    split: str | None
    features: Mapping[str, Mapping[str, Any]]


def identity(root: Path, _settings: HuggingFaceSettings) -> str:
    """Return a digest of the files.

    Raises:
        DataError: there are none, or one cannot be read.
    """
    found = [file.path for file in _files(root, "own")]
    told = [file for name in (_STATE, _INFO) for file in sorted(root.rglob(name))]
    return identify_files(root, (*found, *told))


def read(root: Path, settings: HuggingFaceSettings) -> Dataset:
    """Read the pictures and texts of all files.

    Raises:
        DataError: files are missing or malformed, no column or several may be meant, too many rows are bad, or nothing
            is asked.
    """
    captions = (caption for file in _files(root, settings.splits) for caption in _captions(root, file, settings))
    return captioned_data(root, captions, settings)


def _files(root: Path, splits: str) -> list[_File]:
    states = sorted(root.rglob(_STATE))
    if not states:
        shards = shards_below(root, "give the folder of its parquet files, or what save_to_disk wrote")
        return [_File(file, _named(file, root, splits), {}) for file in shards]
    found = []
    for state in states:
        try:
            names = [str(entry["filename"]) for entry in _json(state)["_data_files"]]
        except (KeyError, TypeError):
            raise DataError(f"{state} names no _data_files", _REMEDY) from None
        info = state.with_name(_INFO)
        features = _object(_object(_json(info)).get("features")) if info.is_file() else {}
        there = {file.name: file for file in state.parent.iterdir() if file.is_file()}
        for name in names:
            if name not in there:
                raise DataError(f"{state} names {name}, which is not there", _REMEDY)
            found.append(_File(there[name], _named(there[name], root, splits), features))
    return found


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise DataError(f"{file} is no JSON", _REMEDY) from None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _named(file: Path, root: Path, splits: str) -> str | None:
    """Return the split that a file's name, or that of a folder around it, tells."""
    parts = [file.name, *(folder.name for folder in file.parents if folder.is_relative_to(root) and folder != root)]
    return next((split for split in (split_of(part, splits) for part in parts) if split), None)


def _captions(root: Path, file: _File, settings: HuggingFaceSettings) -> Iterator[Caption]:
    schema = schema_of(file.path)
    features = file.features or features_of(schema)
    pictures = [name for name in schema.names if _is_picture(schema, features, name)]
    image = _only(file.path, settings.image, pictures, "image")
    texts = [name for name in schema.names if name != image and _is_text(schema, features, name)]
    text = _only(file.path, settings.text, texts, "text")
    columns_in(file.path, (image, text), "set dataset.image and dataset.text to columns that it has")
    if not is_picture(schema.field(image).type):
        raise DataError(f"{file.path} has no pictures in the column {image}", "set dataset.image to one that has")
    labels = _object(features.get(text)).get("names")
    labels = labels if isinstance(labels, list) else None
    path = file.path.relative_to(root).as_posix()
    for number, (value,) in read_rows(file.path, (text,)):
        row = f"{path} row {number}"
        for told in (value or [None]) if isinstance(value, list) else [value]:
            if labels and isinstance(told, int):
                told = labels[told] if 0 <= told < len(labels) else None  # noqa: PLW2901 - its name
            if not isinstance(told, str | None):
                raise DataError(f"{row} in {root}: {text} holds {told!r}, no text", "set dataset.text to texts")
            yield Caption(row, f"{path}#{number}", Place(file.path, number, image), (told or "").strip(), file.split)


def _is_picture(schema: pa.Schema, features: Mapping[str, Any], name: str) -> bool:
    feature = features.get(name)
    return feature.get("_type") == "Image" if isinstance(feature, dict) else is_picture(schema.field(name).type)


def _is_text(schema: pa.Schema, features: Mapping[str, Any], name: str) -> bool:
    kind = schema.field(name).type
    if _object(features.get(name)).get("_type") == "ClassLabel":
        return True
    return is_text(inside_list(kind) or kind)


def _only(file: Path, told: str | None, found: list[str], what: str) -> str:
    """Return the column that is told, or else the only one that may be meant."""
    if told:
        return told
    if len(found) != 1:
        may = f"the columns {', '.join(found)}" if found else "no column"
        raise DataError(f"{file}: {may} may be the {what}", f"set dataset.{what} to one of its columns")
    return found[0]
