"""Where a picture lies: a file, a row of a Parquet shard or Arrow file, or a member of a tar; it is read from there."""

import errno
import stat
import unicodedata
from bisect import bisect_right
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_core.errors import DataError

ARROW = ".arrow"
_MOST_OPEN = 32
_FORMS = "file:<path>, shard:<path>#<column>#<row> or tar:<path>#<offset>+<size>"


class NoRegularFileError(FileNotFoundError):
    """A folder, a pipe or a device is where a file should be: reading one may never end."""


def read_regular(file: Path) -> bytes:
    """Return what a file holds.

    Raises:
        NoRegularFileError: there is something of that name, and it is no file.
        OSError: it is not there, or cannot be read.
        ValueError: no file can have that name.
    """
    if not stat.S_ISREG(file.stat().st_mode):
        raise NoRegularFileError(errno.EINVAL, "it is no regular file", str(file))
    return file.read_bytes()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bytes of a picture are.

    Attributes:
        file: the file that is opened.
        at: row of a Parquet or Arrow file, or first byte of a tar's member; None where the file is the picture.
        column: column of a row: bytes, or a struct with a field ``bytes``; empty where there are no rows.
        size: bytes of a tar's member.
    """

    file: Path
    at: int | None = None
    column: str = ""
    size: int | None = None

    @property
    def name(self) -> str:
        """What it is called where somebody is to look it up."""
        if self.at is None:
            return self.file.name
        return f"{self.file.name} row {self.at}" if self.column else f"{self.file.name} byte {self.at}"

    def reference(self, root: Path) -> str:
        """Return how the tables write it, from the root of the source."""
        path = self.file.relative_to(root).as_posix()
        if self.at is None:
            return f"file:{path}"
        return f"shard:{path}#{self.column}#{self.at}" if self.column else f"tar:{path}#{self.at}+{self.size}"

    @classmethod
    def parse(cls, reference: str, root: Path) -> "Place":
        """Return the place that a reference of ``reference`` tells.

        Raises:
            DataError: it is of no known form.
        """
        kind, _, place = reference.partition(":")
        if kind == "file":
            return cls(root / place)
        path, *parts = place.rsplit("#", 2 if kind == "shard" else 1)
        if kind == "shard" and len(parts) == 2 and parts[0] and parts[1].isdecimal():
            return cls(root / path, int(parts[1]), parts[0])
        offset, _, size = parts[-1].partition("+") if parts else ("", "", "")
        if kind == "tar" and offset.isdecimal() and size.isdecimal():
            return cls(root / path, int(offset), size=int(size))
        raise DataError(f"{reference!r} is no picture reference", f"it may be {_FORMS}")


class _Rows(Protocol):
    """Rows of a file by groups that are read as one."""

    def group(self, row: int) -> range:
        """Return the rows that are read with one, or raise IndexError."""

    def read(self, rows: range) -> pa.ChunkedArray | pa.Array:
        """Return the column's values in a group."""

    def close(self) -> None:
        """Close the file."""


class _Closed(Protocol):
    def close(self) -> None: ...


_Key = TypeVar("_Key", bound=Hashable)
_File = TypeVar("_File", bound=_Closed)


class _ParquetRows:
    def __init__(self, file: Path, column: str) -> None:
        self._file, self._column = pq.ParquetFile(file), column
        metadata = self._file.metadata
        self._ends = list(accumulate(metadata.row_group(g).num_rows for g in range(metadata.num_row_groups)))

    def group(self, row: int) -> range:
        number = bisect_right(self._ends, row)
        if row < 0 or number == len(self._ends):
            raise IndexError(row)
        return range(self._ends[number - 1] if number else 0, self._ends[number])

    def read(self, rows: range) -> pa.ChunkedArray:
        number = bisect_right(self._ends, rows.start)
        table = self._file.read_row_group(number, columns=[self._column])
        if not table.num_columns:
            raise IndexError(self._column)
        return table.column(0)

    def close(self) -> None:
        self._file.close()


class _ArrowRows:
    """Rows of an Arrow stream or file, mapped into memory: only what is looked at is read."""

    def __init__(self, file: Path, column: str) -> None:
        self._map = pa.memory_map(str(file))
        table = read_arrow(self._map)
        if column not in table.column_names:
            raise IndexError(column)
        self._values = table.column(column)

    def group(self, row: int) -> range:
        if not 0 <= row < len(self._values):
            raise IndexError(row)
        return range(row, row + 1)

    def read(self, rows: range) -> pa.ChunkedArray:
        return self._values.slice(rows.start, len(rows))

    def close(self) -> None:
        self._map.close()


def read_arrow(source: pa.NativeFile) -> pa.Table:
    """Return the table of an Arrow stream, as Hugging Face datasets writes it, or of an Arrow file."""
    try:
        return pa.ipc.open_stream(source).read_all()
    except pa.ArrowInvalid:
        source.seek(0)
        return pa.ipc.open_file(source).read_all()


class Places:
    """Reads pictures from where they lie; keeps some files open, and the rows read last. A context manager."""

    def __init__(self) -> None:
        """Open nothing before the first picture."""
        self._rows: OrderedDict[tuple[Path, str], _Rows] = OrderedDict()
        self._tars: OrderedDict[Path, BinaryIO] = OrderedDict()
        self._expected: dict[tuple[Path, str], set[int]] = defaultdict(set)
        self._kept: dict[Place, bytes] = {}
        self._group: tuple[tuple[Path, str], range, pa.ChunkedArray | pa.Array] | None = None
        self._listed: dict[Path, dict[str, str]] = {}

    def __enter__(self) -> "Places":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files that were opened."""
        for opened in (self._rows, self._tars):
            for file in opened.values():
                file.close()
            opened.clear()
        self._group = None

    def near(self, file: Path) -> str | None:
        """Return the name in a file's folder that differs from its own in case or in how accents are composed."""
        if file.parent not in self._listed:
            try:
                names = [entry.name for entry in file.parent.iterdir()]
            except (OSError, ValueError):
                names = []
            self._listed[file.parent] = {_folded(name): name for name in sorted(names)}
        found = self._listed[file.parent].get(_folded(file.name))
        return found if found != file.name else None

    def expect(self, places: Iterable[Place]) -> None:
        """Say which rows will be asked for, in any order: a group of rows is then read once for all of them."""
        for place in places:
            if place.column:
                self._expected[place.file, place.column].add(place.at or 0)

    def read(self, place: Place) -> bytes:
        """Return the bytes of a picture.

        Raises:
            OSError: the file is not there, or cannot be read.
            IndexError: it has no such row, column or member.
            ValueError: it is no file of its kind.
        """
        if place.at is None:
            return read_regular(place.file)
        return self._read_row(place) if place.column else self._read_member(place)

    def _read_row(self, place: Place) -> bytes:
        kept = self._kept.get(place)
        if kept is not None:
            return kept
        assert place.at is not None, "a place with a column has a row"
        key = (place.file, place.column)
        if self._group is None or self._group[0] != key or place.at not in self._group[1]:
            rows = _opened(self._rows, key, lambda: _ROWS.get(place.file.suffix, _ParquetRows)(*key))
            group = rows.group(place.at)
            values = rows.read(group)
            self._group = (key, group, values)
            for row in self._expected[key].intersection(group):
                self._kept[Place(place.file, row, place.column)] = _bytes(values, row - group.start)
        _, group, values = self._group
        return _bytes(values, place.at - group.start)

    def _read_member(self, place: Place) -> bytes:
        tar = _opened(self._tars, place.file, lambda: place.file.open("rb"))
        tar.seek(place.at or 0)
        data = tar.read(place.size or 0)
        if len(data) != place.size:
            raise IndexError(place.at)
        return data


_ROWS: dict[str, Callable[[Path, str], _Rows]] = {ARROW: _ArrowRows}


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _opened(files: OrderedDict[_Key, _File], key: _Key, opening: Callable[[], _File]) -> _File:
    """Return an open file, and close the one that was not used for longest where too many are."""
    if key not in files:
        files[key] = opening()
        if len(files) > _MOST_OPEN:
            files.popitem(last=False)[1].close()
    files.move_to_end(key)
    return files[key]


def _bytes(values: pa.ChunkedArray | pa.Array, index: int) -> bytes:
    value = values[index].as_py()
    data = value.get("bytes") if isinstance(value, dict) else value
    if data is None:
        raise IndexError(index)
    return bytes(data)
