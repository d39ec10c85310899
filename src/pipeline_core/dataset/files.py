"""The files that data are read from: their lines, the pictures that they name, and what identifies all of them."""

import hashlib
import json
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline_core.dataset.screening import NO_FILE, NO_NAME
from pipeline_core.errors import DataError
from pipeline_core.store.digests import Digests
from pipeline_core.user_cache import user_cache


def picture_name(path: str, place: str) -> str:
    """Return what a picture is called: its path below the folder, ``a.png`` for ``./a.png`` too.

    Raises:
        DataError: the path leaves the folder.
    """
    name = posixpath.normpath(path)
    if name.startswith("/") or name.split("/", 1)[0] == "..":
        raise DataError(f"{place}: the picture {path} is outside the folder", "give paths below the folder")
    return name


def read_lines(root: Path, name: str) -> Iterator[tuple[str, str]]:
    """Go through the lines of a text file that are not blank, each with where it is, and hold no more than one.

    Args:
        root: the folder.
        name: the file's path below it.

    Raises:
        DataError: the file is not UTF-8.
    """
    try:
        # Lines end at line feeds only: texts contain the other characters that end one elsewhere.
        with (root / name).open(encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield f"{name} line {number}", line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{root / name} is not UTF-8: {error.reason}", "write it again in UTF-8") from None


def read_objects(root: Path, name: str, fields: Sequence[str] = ("_id",)) -> Iterator[tuple[str, dict[str, Any]]]:
    """Go through the objects of a JSON lines file, each with where it is.

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
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise DataError(f"{place} in {root} is no JSON object", f"write one {{{shown}}} a line")
        yield place, value


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
                rows.append((name, digests.of(root / name)))
            except NO_FILE:
                rows.append((name, None))
            except OSError as error:
                if error.errno not in NO_NAME:
                    raise DataError(f"{root / name} cannot be read: {error.strerror}", "let it be read") from None
                rows.append((name, None))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


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


def shards_below(root: Path, remedy: str, ending: str = ".parquet") -> list[Path]:
    """Return the files of a kind below a folder in order, hidden ones left out.

    Raises:
        DataError: there are none.
    """
    found = sorted(file for file in root.rglob(f"*{ending}") if not file.relative_to(root).as_posix().startswith("."))
    if not found:
        raise DataError(f"{root} has no {ending[1:]} files", remedy)
    return found
