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
        return "bytes" in {kind.field(n).name for n in range(kind.num_fields)}
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


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
