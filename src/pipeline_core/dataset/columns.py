"""Columns of Parquet shards and Arrow files, read beside their pictures, which stay where they are."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_core.dataset.files import refuse_without
from pipeline_core.dataset.places import ARROW, read_arrow
from pipeline_core.errors import DataError

_BATCH = 8192
_REMEDY = "fetch the file again"


def schema_of(file: Path) -> pa.Schema:
    """Return the columns of a file.

    Raises:
        DataError: it cannot be read as what its name says.
    """
    try:
        if file.suffix != ARROW:
            return pq.read_schema(file)
        with pa.memory_map(str(file)) as source:
            return read_arrow(source).schema
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} cannot be read: {_first_line(error)}", _REMEDY) from None


def columns_in(file: Path, needed: Sequence[str], remedy: str) -> pa.Schema:
    """Return the columns of a file that has those that are needed.

    Raises:
        DataError: it lacks one, or cannot be read.
    """
    schema = schema_of(file)
    refuse_without(file, needed, schema.names, remedy)
    return schema


def is_picture(kind: pa.DataType) -> bool:
    """Say whether a column may hold pictures: bytes, or a struct with bytes."""
    if pa.types.is_struct(kind):
        at = kind.get_field_index("bytes")
        return at >= 0 and is_bytes(kind.field(at).type)
    return is_bytes(kind)


def is_bytes(kind: pa.DataType) -> bool:
    """Say whether a column holds bytes, however it keeps them."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def is_text(kind: pa.DataType) -> bool:
    """Say whether a column holds texts, however it keeps them."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def inside_list(kind: pa.DataType) -> pa.DataType | None:
    """Return what the lists of a column hold; None where it holds none."""
    return kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else None


def read_rows(file: Path, names: Sequence[str]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Go through the rows of a file, numbered from 0, with the values of some columns.

    Raises:
        DataError: it cannot be read.
    """
    number = 0
    try:
        for batch in _batches(file, names):
            for values in zip(*(batch.column(name).to_pylist() for name in names), strict=True):
                yield number, values
                number += 1
    except UnicodeDecodeError as error:
        raise DataError(f"{file} holds a text that is not UTF-8: {error.reason}", "write it again in UTF-8") from None
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} cannot be read: {_first_line(error)}", _REMEDY) from None


def features_of(schema: pa.Schema) -> Mapping[str, Mapping[str, Any]]:
    """Return what Hugging Face datasets notes of each column in a file's schema; nothing where it wrote nothing."""
    noted = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(noted)["info"]["features"] if noted else {}
    except (ValueError, KeyError, TypeError):
        features = {}
    return features if isinstance(features, dict) else {}


def _batches(file: Path, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    if file.suffix != ARROW:
        with pq.ParquetFile(file) as shard:
            yield from shard.iter_batches(_BATCH, columns=list(names))
        return
    with pa.memory_map(str(file)) as source:
        yield from read_arrow(source).select(list(names)).to_batches(_BATCH)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["it is damaged"])[0]
