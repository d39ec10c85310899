"""Pictures with captions, as the ``imagefolder`` builder of Hugging Face reads them.

``metadata.csv``, ``.jsonl`` or ``.parquet`` with columns ``file_name`` and ``text``; several captions of a picture are
several rows. Optional columns: ``split``, which is then kept, and ``group``, whose pictures share a split.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from pipeline_core.dataset.captions import Caption
from pipeline_core.dataset.files import picture_name, read_csv, read_objects, refuse_without
from pipeline_core.dataset.places import Place
from pipeline_core.dataset.splits import SPLITS
from pipeline_core.errors import DataError

_COLUMNS = ("file_name", "text")
_READ = (*_COLUMNS, "split", "group")

Record = tuple[str, Mapping[str, Any] | str]
"""Where a row is, and its values by column or why it has none."""


def read_captions(metadata: Path) -> tuple[Caption, ...]:
    """Return every row, named from 1, the header not counted; one that is none with its fault.

    Raises:
        DataError: the file cannot be read, lacks a column, or a row names a picture outside the folder, no split, or
            another split or group than a row before it.
    """
    records = list(_READERS[metadata.suffix](metadata))
    columns = dict.fromkeys(name for _, values in records if isinstance(values, Mapping) for name in values)
    if records:
        refuse_without(metadata, _COLUMNS, columns)
    captions = tuple(_caption(metadata, place, values, splits="split" in columns) for place, values in records)
    for unit in ("picture", "group"):
        _refuse_two_minds(captions, unit)
    return captions


def _caption(metadata: Path, place: str, values: Mapping[str, Any] | str, *, splits: bool) -> Caption:
    if isinstance(values, str):
        return Caption(place, "", Place(metadata), "", fault=values)
    no_text = next((name for name in _READ if isinstance(values.get(name), bytes)), None)
    if no_text and metadata.suffix == ".jsonl":
        return Caption(place, "", Place(metadata), "", fault=f"{no_text} is no text")
    file_name, text, split, group = (_as_text(metadata, place, name, values.get(name)) for name in _READ)
    name = picture_name(metadata.parent, file_name, place)
    given = _split(split, place) if splits else None
    return Caption(place, name, Place(metadata.parent / name), text, given, group or None)


def _as_text(metadata: Path, place: str, column: str, value: object) -> str:
    if isinstance(value, list | dict | bytes):
        kind = "bytes" if isinstance(value, bytes) else "lists"
        raise DataError(f"{metadata} has {kind} in the column {column}, first in {place}", "write one text a row")
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value) if isinstance(value, bool | int | float) else str(value)


def _json_rows(metadata: Path) -> Iterator[Record]:
    objects = read_objects(metadata.parent, metadata.name, _COLUMNS)
    yield from ((f"row {number}", values) for number, (_, values) in enumerate(objects, start=1))


def _parquet_rows(metadata: Path) -> Iterator[Record]:
    try:
        frame = pl.read_parquet(metadata)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{metadata} cannot be read: {str(error).splitlines()[0]}", "write it again") from None
    yield from ((f"row {number}", values) for number, values in enumerate(frame.iter_rows(named=True), start=1))


_READERS: dict[str, Callable[[Path], Iterator[Record]]] = {
    ".csv": partial(read_csv, needed=_COLUMNS),
    ".jsonl": _json_rows,
    ".parquet": _parquet_rows,
}


def _split(split: str | None, row: str) -> str:
    if split not in SPLITS:
        raise DataError(f"{row}: the split is {split or 'empty'}", f"it may be {', '.join(SPLITS)}")
    return split


def _refuse_two_minds(captions: Iterable[Caption], unit: str) -> None:
    """Refuse rows of one picture, or of one group, that give different splits, or a picture two groups."""
    first: dict[str, Caption] = {}
    for caption in captions:
        name = getattr(caption, unit)
        before = first.setdefault(name, caption) if name else caption
        for field in ("split", "group") if unit == "picture" else ("split",):
            here, there = getattr(caption, field), getattr(before, field)
            if here != there:
                raise DataError(
                    f"{caption.row}: the {unit} {name} has the {field} {here or 'none'}, and {there or 'none'} in "
                    f"{before.row}",
                    f"give all rows of a {unit} the same {field}",
                )
