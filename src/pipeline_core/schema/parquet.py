"""Tables of the schema as Parquet files of an artifact: written sorted by key and typed exactly, read as frames."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_core.errors import StoreError, see_to_files
from pipeline_core.schema import SHARDED, TABLES

ROW_GROUP = 8192
EMBEDDING_ROW_GROUP = 1024
"""Rows a group of embeddings: one representation of a shard lies in few groups, and is read without the others."""

_HALVES, _COMPRESSED = 1 << 14, 0.94

_SINGLE_LISTS, _HALF_LISTS = pa.list_(pa.float32()), pa.list_(pa.float16())

_PACKED: dict[str, Any] = {"compression": "zstd", "compression_level": 1}


def conform(name: str, data: pl.DataFrame | pa.Table) -> pa.Table:
    """Order and cast columns to the schema of table ``name``.

    Raises:
        ValueError: a column is missing, unknown, not castable without loss, or NULL where the schema allows none.
    """
    table = data.to_arrow() if isinstance(data, pl.DataFrame) else data
    schema = stored_schema(name, table.schema)
    if set(table.column_names) != set(schema.names):
        missing = sorted(set(schema.names) - set(table.column_names))
        unknown = sorted(set(table.column_names) - set(schema.names))
        raise ValueError(f"table {name}: missing columns {missing}, unknown columns {unknown}")
    table = table.select(schema.names)
    for column in TABLES[name].columns:
        if not column.nullable and table.column(column.name).null_count:
            raise ValueError(f"table {name}: column {column.name} has NULLs, which the schema does not allow")
    return table.cast(schema)


def stored_schema(name: str, found: pa.Schema) -> pa.Schema:
    """Return the schema of table ``name`` for columns as found: lists of float32 may be kept in half precision."""
    halved = {field.name for field in found if field.type == _HALF_LISTS}
    return pa.schema(
        field.with_type(_HALF_LISTS) if field.name in halved and field.type == _SINGLE_LISTS else field
        for field in TABLES[name].arrow
    )


def write_table(folder: Path, name: str, data: pl.DataFrame | pa.Table, shard: int | None = None) -> int:
    """Write table ``name`` into an artifact's folder, sorted by key, and return its number of rows.

    Args:
        folder: the artifact's folder.
        name: a table of the schema.
        data: its rows.
        shard: number of the shard, for the tables that are written as several files.
    """
    table = conform(name, data)
    if not any(pa.types.is_nested(table.schema.field(key).type) for key in TABLES[name].key):
        table = table.sort_by([(key, "ascending") for key in TABLES[name].key])
    path = folder / TABLES[name].file_name
    if name in SHARDED:
        assert shard is not None, f"{name} is sharded"
        path = folder / name / f"{shard:05d}.parquet"
        path.parent.mkdir(exist_ok=True)
    rows = EMBEDDING_ROW_GROUP if name == "embeddings" else ROW_GROUP
    pq.write_table(table, path, row_group_size=rows, **(_plain(table) if name == "embeddings" else _PACKED))
    return int(table.num_rows)


def _plain(table: pa.Table) -> dict[str, Any]:
    """Return how vectors are written that are all different: as they are, to be read as fast as the disk gives them.

    A dictionary of them is larger than they are; writing is six times as fast without it, and reading nearly twice.
    """
    others = [name for name in table.column_names if name != "vector"]
    return {"use_dictionary": others, "compression": {"vector.list.element": "none"} | dict.fromkeys(others, "zstd")}


def write_sorted(folder: Path, name: str, batches: Iterable[pa.RecordBatch]) -> None:
    """Write table ``name`` from batches that come sorted by its key, as ``write_table`` would, and hold one at a time.

    Args:
        folder: the artifact's folder.
        name: a table of the schema that is no sharded one.
        batches: of at most ``ROW_GROUP`` rows each.
    """
    with pq.ParquetWriter(folder / TABLES[name].file_name, TABLES[name].arrow, **_PACKED) as writer:
        for batch in batches:
            writer.write_table(conform(name, pa.Table.from_batches([batch])), row_group_size=ROW_GROUP)


def write_aside(file: Path, rows: pl.DataFrame) -> None:
    """Write rows that a build reads again itself, and that are no table of the schema.

    By pyarrow, as all tables: of a full disk polars says that the file is damaged.

    Raises:
        OSError: there is no room.
    """
    pq.write_table(rows.to_arrow(compat_level=pl.CompatLevel.oldest()), file)


def write_rows(folder: Path, name: str, rows: Sequence[Sequence[Any] | Mapping[str, Any]]) -> int:
    """Write table ``name`` from its rows, columns in the order of the schema or by name; there may be none."""
    return write_table(folder, name, pl.DataFrame(rows, schema=columns_of(name), orient="row"))


def columns_of(name: str) -> pl.Schema:
    """Return the columns of table ``name`` and their types as polars has them."""
    return pl.DataFrame(TABLES[name].arrow.empty_table()).schema


def stored_halves(n_values: float, group: int) -> float:
    """Return about how many bytes random numbers of half precision take in such a file.

    pyarrow writes each number that is new to a row group into a dictionary, and the numbers as indices into it. Vectors
    hold some 16,384 different ones.

    Args:
        n_values: numbers in all.
        group: numbers in a row group.
    """
    group = max(group, 1)
    different = min(group, _HALVES)
    bits = max(1, (different - 1).bit_length())
    return _COMPRESSED * (2 * different / group + bits / 8) * n_values


def table_files(folder: Path, name: str) -> list[Path]:
    """Return the Parquet files of table ``name`` in an artifact's folder, in order.

    Raises:
        StoreError: there is none.
    """
    files = sorted((folder / name).glob("*.parquet")) if name in SHARDED else [folder / TABLES[name].file_name]
    if not files or not files[0].is_file():
        raise StoreError(f"the artifact {folder.parent.name}/{folder.name} holds no table {name}", "run lens verify")
    return files


def read_table(folder: Path, name: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Read table ``name`` of an artifact.

    Raises:
        StoreError: the table is missing or not readable as Parquet.
    """
    files = table_files(folder, name)
    with _told(folder, name):
        table = pa.concat_tables([pq.read_table(file, columns=list(columns) if columns else None) for file in files])
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def scan_table(folder: Path, name: str) -> pl.LazyFrame:
    """Return table ``name`` of an artifact, to be read when it is collected, by parts that fit in memory.

    Raises:
        StoreError: the table is missing or not readable as Parquet.
    """
    frame = pl.scan_parquet(table_files(folder, name))
    with _told(folder, name):
        frame.collect_schema()
    return frame


@contextmanager
def _told(folder: Path, name: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, pl.exceptions.ComputeError, OSError) as error:
        see_to_files(error)
        place = f"{folder.parent.name}/{folder.name}"
        raise StoreError(f"table {name} of the artifact {place} cannot be read: {error}", "run lens verify") from None
