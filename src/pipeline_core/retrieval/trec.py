"""TREC's run and qrels files: ``qid Q0 docid rank score tag`` and ``qid iter docid relevance``, separated by blanks.

Ids are percent-encoded where a reader would take them apart: at the percent sign and at what Python counts as white
space. Reading decodes them; percent signs that encode nothing, as in files of others, are left as they are.
"""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import polars as pl

from pipeline_core.errors import DataError

RUN = ("query_id", "iteration", "sample_id", "rank", "score", "tag")
QRELS = ("query_id", "iteration", "sample_id", "relevance")

_SPACES = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
# A byte order mark at the start of a file is no part of its first id.
_ENCODED = {character: quote(character) for character in f"%\ufeff{_SPACES}"}
_SEPARATOR = re.compile(r"[ \t]+")
_LONGEST_LINE = 100_000
"""Characters that no line has: what is no text may be one line without end."""

_DIGITS, _LARGEST = re.compile(r"[+-]?[0-9]{1,10}"), 2**31 - 1


def write_run(path: Path, hits: pl.DataFrame, tag: str) -> None:
    """Write hits (query_id, sample_id, rank, score) of the system ``tag``; lines stay in the order given."""
    _write(path, hits.with_columns(iteration=pl.lit("Q0"), tag=pl.lit(tag)), RUN)


def write_qrels(path: Path, qrels: pl.DataFrame) -> None:
    """Write judgements (query_id, sample_id, relevance)."""
    _write(path, qrels.with_columns(iteration=pl.lit("0")), QRELS)


def read_run(path: Path) -> pl.DataFrame:
    """Read a run, of this program or another: (query_id, sample_id, rank, score, tag), in the order of its lines.

    A seventh column, the task id in runs of UniIR and M-BEIR, is passed over.

    Raises:
        DataError: the file cannot be read, or a line is not of the form, or repeats a query and document.
    """
    return _read(path, RUN, "qid Q0 docid rank score tag")


def read_qrels(path: Path) -> pl.DataFrame:
    """Read judgements, of this program or another: (query_id, sample_id, relevance), in the order of the lines.

    A fifth column, the task id in qrels of UniIR and M-BEIR, is passed over.

    Raises:
        DataError: the file cannot be read, or a line is not of the form, or repeats a query and document.
    """
    return _read(path, QRELS, "qid iter docid relevance")


def _write(path: Path, frame: pl.DataFrame, fields: tuple[str, ...]) -> None:
    encoded = frame.select(fields).with_columns(pl.col("query_id", "sample_id", "^tag$").str.replace_many(_ENCODED))
    encoded.write_csv(path, separator=" ", include_header=False, quote_style="never")


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


def _number(text: str) -> float:
    value = float(text)
    if math.isnan(value) or "_" in text:
        raise ValueError(text)
    return value


def _whole(text: str) -> int:
    if not _DIGITS.fullmatch(text) or abs(int(text)) > _LARGEST:
        raise ValueError(text)
    return int(text)


_FIELDS: dict[str, tuple[Callable[[str], Any], type[pl.DataType]]] = {
    "query_id": (_decoded, pl.String),
    "sample_id": (_decoded, pl.String),
    "rank": (_whole, pl.Int64),
    "score": (_number, pl.Float64),
    "tag": (_decoded, pl.String),
    "relevance": (_whole, pl.Int64),
}
"""How a field is read, and as which type; the iteration, which nobody uses, is not."""


def _read(path: Path, fields: Sequence[str], form: str) -> pl.DataFrame:
    rows: list[tuple[Any, ...]] = []
    first_seen: dict[tuple[str, str], int] = {}
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(iter(lambda: lines.readline(_LONGEST_LINE), ""), start=1):
                if line.isspace():
                    continue
                place = f"{path}, line {number}"
                if len(line) == _LONGEST_LINE:
                    raise DataError(f"{place} has {_LONGEST_LINE:,} characters or more", f"expected {form}")
                row = _row(_SEPARATOR.split(line.strip(" \t\n")), place, fields, form)
                first = first_seen.setdefault(row[:2], number)
                if first != number:
                    raise DataError(f"{place} repeats the query and document of line {first}", "list each pair once")
                rows.append(row)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}", f"give a text file with lines of the form {form}") from None
    if not rows:
        raise DataError(f"{path} has no lines", f"expected {form}")
    schema = {name: _FIELDS[name][1] for name in fields if name in _FIELDS}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _row(parts: Sequence[str], place: str, fields: Sequence[str], form: str) -> tuple[Any, ...]:
    if len(parts) not in (len(fields), len(fields) + 1):
        raise DataError(f"{place} has {len(parts)} columns", f"expected {form}, then perhaps a task id")
    given: dict[str, Any] = {name: part for name, part in zip(fields, parts, strict=False) if name in _FIELDS}
    for name, part in given.items():
        try:
            given[name] = _FIELDS[name][0](part)
        except ValueError:
            kind = "number" if name == "score" else f"whole number up to {_LARGEST}"
            raise DataError(f"{place}: the {name} is {part[:40]!r}, which is no {kind}", f"expected {form}") from None
    return tuple(given.values())
