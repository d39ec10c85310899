"""The files that data are read from: their lines, the pictures that they name, and what identifies all of them."""

import codecs
import csv
import hashlib
import itertools
import json
import logging
import os
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from pipeline_core.dataset.screening import NO_FILE, NO_NAME
from pipeline_core.errors import DataError
from pipeline_core.store.digests import Digests
from pipeline_core.store.journal import RUNS
from pipeline_core.user_cache import user_cache

log = logging.getLogger(__name__)

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
_NAMES_SHOWN = 3
_HALVES = re.compile(r"\\u[dD][89a-fA-F]")
"""How JSON writes one of the two codes of a character beyond 65,535."""


def picture_name(root: Path, path: str, place: str) -> str:
    """Return what a picture is called: its path below the folder, ``a.png`` for ``./a.png`` and ``<root>/a.png`` too.

    Raises:
        DataError: the path leaves the folder.
    """
    name = posixpath.normpath(path).removeprefix(f"{root.as_posix()}/")
    if name.startswith("/") or name.split("/", 1)[0] == "..":
        raise DataError(f"{place}: the picture {path} is outside the folder", "give paths below the folder")
    return name


def encoding_of(file: Path) -> str:
    """Return how a text file is written: UTF-16 where its mark says so, else UTF-8, with its mark or without.

    Raises:
        DataError: it is UTF-16 without a mark, or no text.
    """
    with file.open("rb") as opened:
        begins = opened.read(4)
    if begins.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in begins:
        raise DataError(f"{file} is UTF-16 without a byte order mark, or no text", "write it again in UTF-8")
    return "utf-8-sig"


def read_lines(root: Path, name: str) -> Iterator[tuple[str, str]]:
    """Go through the lines of a text file that are not blank, each with where it is, and hold no more than one.

    Args:
        root: the folder.
        name: the file's path below it.

    Raises:
        DataError: the file is neither UTF-8 nor UTF-16 with its mark.
    """
    # Lines end at line feeds only: texts contain the other characters that end one elsewhere.
    with _text(root / name, newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield f"{name} line {number}", line.rstrip("\r\n")


def refuse_without(file: Path, needed: Iterable[str], columns: Iterable[str], remedy: str = "") -> None:
    """Refuse a table that lacks a column; ``remedy`` says what to do if not to name the columns.

    Raises:
        DataError: it does.
    """
    missing = [column for column in needed if column not in columns]
    if missing:
        has = ", ".join(columns) or "none"
        raise DataError(
            f"{file} has no column {' and no column '.join(missing)}; it has {has}",
            remedy or f"name the columns {' and '.join(needed)}",
        )


def read_csv(file: Path, needed: Sequence[str] = ()) -> Iterator[tuple[str, dict[str, str] | str]]:
    """Go through the rows of a CSV file below its header, each with where it is; a row that is none is its fault told.

    Args:
        file: the file.
        needed: columns that it must have.

    Raises:
        DataError: the file is no text, lacks a column or names one twice, or a text goes wrong over several lines.
    """
    with _text(file, newline="") as lines:
        rows = csv.reader(lines, strict=True)
        try:
            header = next(rows, [])
        except csv.Error as error:
            raise DataError(f"{file} has no header that can be read: {error}", "name the columns") from None
        twice = [name for name, count in Counter(header).items() if count > 1]
        if twice:
            raise DataError(f"{file} has the column {twice[0]} twice", "name each once")
        refuse_without(file, needed, header)
        for number in itertools.count(1):
            first = rows.line_num + 1
            try:
                cells = next(rows, None)
            except csv.Error as error:
                if rows.line_num > first:
                    raise DataError(
                        f"{file}: row {number} goes from line {first} to line {rows.line_num}: {error}",
                        f"see whether a quotation mark of line {first} is one too many",
                    ) from None
                yield f"row {number}", f"line {first} cannot be read: {error}"
                continue
            if cells is None:
                return
            if len(cells) == len(header):
                yield f"row {number}", dict(zip(header, cells, strict=True))
            elif cells:
                told = f"line {first} has {len(cells)} columns instead of {len(header)}"
                yield f"row {number}", f"{told}: a text with a comma stands in quotes"


@contextmanager
def _text(file: Path, newline: str) -> Iterator[TextIO]:
    encoding = encoding_of(file)
    try:
        with file.open(encoding=encoding, newline=newline) as opened:
            yield opened
    except UnicodeError as error:
        reason = getattr(error, "reason", str(error))
        raise DataError(
            f"{file} is not {encoding.removesuffix('-sig').upper()}: {reason}", "write it again in UTF-8"
        ) from None


def read_objects(root: Path, name: str, fields: Sequence[str] = ("_id",)) -> Iterator[tuple[str, dict[str, Any]]]:
    """Go through the objects of a JSON lines file, each with where it is.

    What JSON calls a text and no encoding can write, half of a character as a cut leaves it, is given as bytes.

    Args:
        root: the folder.
        name: the file's path below it.
        fields: some that an object has, for those who wrote something else.

    Raises:
        DataError: a line holds none.
    """
    shown = ", ".join(f'"{field}": ...' for field in fields)
    for place, line in read_lines(root, name):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise DataError(f"{place} in {root} is no JSON object", f"write one {{{shown}}} a line")
        yield place, with_bytes_for_halves(value) if _HALVES.search(line) else value


def with_bytes_for_halves(value: Any) -> Any:
    """Return what JSON held, with bytes for each text that no encoding can write: it has half of a character."""
    if isinstance(value, dict):
        return {name: with_bytes_for_halves(part) for name, part in value.items()}
    if isinstance(value, list):
        return [with_bytes_for_halves(part) for part in value]
    if isinstance(value, str) and _has_halves(value):
        return value.encode("utf-8", "surrogatepass")
    return value


def _has_halves(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def name_told(name: str) -> str:
    """Return a file's name as it can be written: bytes of another encoding are told by their codes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def identify(root: Path, files: Iterable[str], pictures: Iterable[str]) -> str:
    """Return the identity of a data set: sha256 over the names and contents of its files and of the pictures named.

    What else lies in the folder adds nothing. A picture that is not there counts as such: its row is quarantined later.

    Raises:
        DataError: a file is there and cannot be read.
    """
    rows: list[tuple[str, str | None]] = []
    with Digests() as digests:
        for name in (*files, *sorted(set(pictures))):
            try:
                # A pipe or a device is no file: reading one may never end.
                rows.append((name, digests.of(root / name) if (root / name).is_file() else None))
            except NO_FILE:
                rows.append((name, None))
            except OSError as error:
                if error.errno not in NO_NAME:
                    raise DataError(f"{root / name} cannot be read: {error.strerror}", "let it be read") from None
                rows.append((name, None))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def identify_files(root: Path, files: Iterable[Path]) -> str:
    """Return the identity of data that lie whole in files below a folder.

    Raises:
        DataError: as in ``identify``.
    """
    return identify(root, [file.relative_to(root).as_posix() for file in files], ())


def tell_unnamed(root: Path, named: Iterable[str]) -> None:
    """Log how many pictures lie in a folder that nothing names: often a row was forgotten, or a name is another's."""
    known = set(named)
    unnamed = sorted(name for name in _pictures_below(root) if name not in known)
    if unnamed:
        shown = ", ".join(unnamed[:_NAMES_SHOWN])
        n_pictures = len(unnamed) + len(known)
        log.warning("%d of %d pictures of %s are named by no row, such as %s", len(unnamed), n_pictures, root, shown)


def tell_linked(root: Path, named: Iterable[str]) -> None:
    """Log how many of the pictures that a folder names lie elsewhere, through links: they become part of reports."""
    home, folder_of = root.resolve(), cache(Path.resolve)
    elsewhere: dict[str, Path] = {}
    for name in sorted(set(named)):
        picture = root / name
        with suppress(OSError, RuntimeError, ValueError):  # a loop, or a name that no file can have
            place = picture.resolve() if picture.is_symlink() else folder_of(picture.parent) / picture.name
            if not place.is_relative_to(home) and place.is_file():
                elsewhere[name] = place.parent
    if elsewhere:
        first = " in ".join(map(str, next(iter(elsewhere.items()))))
        log.warning("%d pictures of %s lie outside of it, through links: %s", len(elsewhere), root, first)


def _pictures_below(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        # Hidden folders are no part of the data, and a store below the folder holds pictures of its own.
        folders[:] = [name for name in folders if not (name.startswith(".") or (Path(folder, name) / RUNS).is_dir())]
        for name in files:
            if name.lower().endswith(PICTURE_ENDINGS) and not name.startswith("."):
                yield Path(folder, name).relative_to(root).as_posix()


def remembered_names(key: str, find: Callable[[], Iterable[str]]) -> list[str]:
    """Return names of files that rows name, found once for a key and remembered in the user's cache.

    Args:
        key: what they follow from: digests of the files that hold the rows.
        find: finds them; one name holds no line feed.
    """
    memo = user_cache("named") / key
    with suppress(OSError):
        return memo.read_text(encoding="utf-8").split("\n")[:-1]
    names = sorted(set(find()))
    with suppress(OSError):
        memo.parent.mkdir(parents=True, exist_ok=True)
        aside = memo.with_name(f"{memo.name}.{os.getpid()}")
        aside.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
        aside.replace(memo)
    return names


def named_in_utf8(root: Path, files: Iterable[Path]) -> list[Path]:
    """Return files below a folder in order, whose names tables can hold; hidden ones are left out.

    Raises:
        DataError: the name of one is in another encoding.
    """
    found = []
    for file in sorted(files):
        name = file.relative_to(root).as_posix()
        if _has_halves(name):
            raise DataError(f"the name of {name_told(name)} in {root} is not UTF-8", "rename it")
        if not any(part.startswith(".") for part in name.split("/")):
            found.append(file)
    return found


def shards_below(root: Path, remedy: str, ending: str = ".parquet") -> list[Path]:
    """Return the files of a kind below a folder in order, hidden ones left out; a folder may be called so, too.

    Raises:
        DataError: there are none.
    """
    found = named_in_utf8(root, (file for file in root.rglob(f"*{ending}") if not file.is_dir()))
    if not found:
        raise DataError(f"{root} has no {ending[1:]} files", remedy)
    return found
