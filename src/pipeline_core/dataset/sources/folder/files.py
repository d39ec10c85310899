"""The files of a folder that is a data set: which there are, how lines and pictures are named, what identifies all."""

import hashlib
import json
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_core.dataset.screening import NO_FILE, NO_NAME
from pipeline_core.dataset.splits import SPLITS
from pipeline_core.errors import DataError
from pipeline_core.store.digests import Digests

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
QUERIES, CORPUS, QRELS = "queries.jsonl", "corpus.jsonl", "qrels"


@dataclass(frozen=True)
class Layout:
    """What a folder holds beside pictures.

    Attributes:
        root: the folder.
        metadata: captions of pictures.
        queries: the user's own queries.
        corpus: what they are asked of; without it, the pictures of ``metadata``.
        qrels: judgements, one file a split.
    """

    root: Path
    metadata: Path | None
    queries: Path | None
    corpus: Path | None
    qrels: tuple[Path, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return tuple(file for file in (self.metadata, self.queries, self.corpus, *self.qrels) if file)


def find_files(root: Path) -> Layout:
    """Return what a folder holds.

    Raises:
        DataError: too little of it, or two files that say the same.
    """
    metadata = [root / name for name in METADATA if (root / name).is_file()]
    queries, corpus = (root / name if (root / name).is_file() else None for name in (QUERIES, CORPUS))
    qrels = tuple(sorted((root / QRELS).glob("*.tsv")))
    exactly_one = f"put exactly one of {', '.join(METADATA)} there"
    if len(metadata) > 1:
        raise DataError(f"the folder {root} has {' and '.join(path.name for path in metadata)}", exactly_one)
    if bool(queries) != bool(qrels) or (corpus and not queries):
        there = [name for name, found in ((QUERIES, queries), (CORPUS, corpus), (f"{QRELS}/*.tsv", qrels)) if found]
        absent = f"{QRELS}/<split>.tsv" if queries else QUERIES
        raise DataError(
            f"the folder {root} has {' and '.join(there)} and no {absent}", "put it there, or take the others out"
        )
    if not (metadata or queries):
        or_queries = f"or {QUERIES}, {CORPUS} and {QRELS}/<split>.tsv"
        raise DataError(f"the folder {root} has no metadata file", f"{exactly_one}; {or_queries}")
    if not (metadata or corpus):
        raise DataError(
            f"the folder {root} has {QUERIES} and nothing to find",
            f"put {CORPUS} there, or pictures with {METADATA[0]}",
        )
    for file in qrels:
        if file.stem not in SPLITS:
            raise DataError(f"{file} is of no split", f"call it {', '.join(f'{split}.tsv' for split in SPLITS)}")
    return Layout(root, metadata[0] if metadata else None, queries, corpus, qrels)


def picture_name(path: str, place: str) -> str:
    """Return what a picture is called: its path below the folder, ``a.png`` for ``./a.png`` too.

    Raises:
        DataError: the path leaves the folder.
    """
    name = posixpath.normpath(path)
    if name.startswith("/") or name.split("/", 1)[0] == "..":
        raise DataError(f"{place}: the picture {path} is outside the folder", "give paths below the folder")
    return name


def read_lines(file: Path) -> Iterator[tuple[str, str]]:
    """Go through the lines of a text file that are not blank, each with where it is.

    Raises:
        DataError: the file is not UTF-8.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8: {error.reason}", "write it again in UTF-8") from None
    # Not splitlines, which also splits at characters that texts contain.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"{_short(file)} line {number}", line.rstrip("\r")


def read_objects(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Go through the objects of a JSON lines file, each with where it is.

    Raises:
        DataError: a line holds none.
    """
    for place, line in read_lines(file):
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise DataError(f"{place} in {file.parent} is no JSON object", 'write one {"_id": ...} a line')
        yield place, value


def identify(layout: Layout, pictures: Iterable[str]) -> str:
    """Return the identity of a data set: sha256 over the names and contents of its files and of the pictures named.

    What else lies in the folder adds nothing. A picture that is not there counts as such: its row is quarantined later.

    Raises:
        DataError: a file is there and cannot be read.
    """
    rows: list[tuple[str, str | None]] = []
    with Digests() as digests:
        for name in (*(_short(file) for file in layout.files), *sorted(set(pictures))):
            try:
                rows.append((name, digests.of(layout.root / name)))
            except NO_FILE:
                rows.append((name, None))
            except OSError as error:
                if error.errno not in NO_NAME:
                    raise DataError(
                        f"{layout.root / name} cannot be read: {error.strerror}", "let it be read"
                    ) from None
                rows.append((name, None))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _short(file: Path) -> str:
    return f"{QRELS}/{file.name}" if file.parent.name == QRELS and file.suffix == ".tsv" else file.name
