"""Pictures with captions, as the ``imagefolder`` builder of Hugging Face reads them.

``metadata.csv``, ``.jsonl`` or ``.parquet`` with columns ``file_name`` and ``text``; several captions of a picture are
several rows. Optional columns: ``split``, which is then kept, and ``group``, whose pictures share a split.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl

from pipeline_core.dataset.captions import Caption
from pipeline_core.dataset.files import picture_name
from pipeline_core.dataset.places import Place
from pipeline_core.dataset.splits import SPLITS
from pipeline_core.errors import DataError

_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".csv": lambda path: pl.read_csv(path, infer_schema=False),
    ".jsonl": lambda path: pl.read_ndjson(path, infer_schema_length=None),
    ".parquet": pl.read_parquet,
}
_COLUMNS = ("file_name", "text")


def read_captions(metadata: Path) -> tuple[Caption, ...]:
    """Return every row, named from 1, the header not counted.

    Raises:
        DataError: the file cannot be read, lacks a column, or a row names a picture outside the folder, no split, or
            another split or group than a row before it.
    """
    try:
        frame = _READERS[metadata.suffix](metadata)
        missing = [column for column in _COLUMNS if column not in frame.columns]
        if missing:
            raise DataError(
                f"{metadata} has no column {' and no column '.join(missing)}; it has "
                f"{', '.join(frame.columns) or 'none'}",
                "name the columns file_name and text",
            )
        lists = [name for name in _COLUMNS if frame.schema[name].is_nested()]
        if lists:
            raise DataError(f"{metadata} has lists in the column {' and '.join(lists)}", "write one text a row")
        columns = [
            pl.col(name).cast(pl.String) if name in frame.columns else pl.lit(None, pl.String).alias(name)
            for name in (*_COLUMNS, "split", "group")
        ]
        rows = frame.select(columns).rows()
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{metadata} cannot be read: {reason}", "write it again, in UTF-8 and with one text a row"
        ) from None
    captions = tuple(
        Caption(
            f"row {number}",
            (name := picture_name(file_name or "", f"row {number}")),
            Place(metadata.parent / name),
            text or "",
            _split(split, f"row {number}") if "split" in frame.columns else None,
            group or None,
        )
        for number, (file_name, text, split, group) in enumerate(rows, start=1)
    )
    for unit in ("picture", "group"):
        _refuse_two_minds(captions, unit)
    return captions


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
