"""Rows of any source, screened: what cannot be used is quarantined with its reason, too much of it is an error."""

import csv
import errno
import hashlib
import io
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pipeline_core.dataset.images import PictureError, decode, picture_digest
from pipeline_core.dataset.places import NoRegularFileError, Place, Places
from pipeline_core.errors import DataError
from pipeline_core.user_cache import user_cache

_REASONS_SHOWN = 3

NO_FILE = (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError, IndexError)
"""What reading a picture raises when there is none of that name; ValueError: no file can have it."""

NO_NAME = (errno.ENAMETOOLONG, errno.ELOOP)
"""Further errors of the same meaning: the name is too long, or a link leads to itself."""


@dataclass(frozen=True, slots=True)
class Row:
    """A picture with a text, as a source gives it.

    Attributes:
        row: the row as the source's owner would look it up.
        key: what must be unique among the rows.
        picture: where the picture is.
        text: its name or caption.
        fault: why the source could make nothing of it.
    """

    row: str
    key: str
    picture: Place
    text: str
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A readable picture: where it is, the digest of its bytes, its size in pixels, the digest of what is seen."""

    place: Place
    sha256: str
    width: int
    height: int
    look: str


@dataclass(frozen=True)
class Screening:
    """The rows that can be used, their pictures by place, and (row, reason) of the others."""

    rows: tuple[Row, ...]
    pictures: dict[Place, Picture]
    quarantine: tuple[tuple[str, str], ...]


def read_picture(place: Place, places: Places) -> Picture | str:
    """Return the picture at a place, or why there is none.

    Raises:
        OSError: the file is there and cannot be read: no fault of the row's, and worth another try.
    """
    try:
        data = places.read(place)
    except NoRegularFileError:
        return f"no regular file: {place.name}"
    except NO_FILE:
        near = places.near(place.file)
        return f"image file not found: {place.name}{f' (there is {near})' if near else ''}"
    except OSError as error:
        if error.errno in NO_NAME:
            return f"image file not found: {place.name}"
        raise
    try:
        seen = decode(data)
    except PictureError as error:
        return f"unreadable image: {place.name}: {error}"
    return Picture(place, hashlib.sha256(data).hexdigest(), seen.width, seen.height, picture_digest(seen))


def screen(rows: Iterable[Row], max_share: float) -> Screening:
    """Separate rows that can be used from rows with an empty text, a repeated key, or no readable picture.

    Args:
        rows: the rows of a source.
        max_share: share of bad rows, 0 to 1, above which the data set is refused.

    Raises:
        DataError: there are no good rows, or more bad ones than allowed.
    """
    kept: list[Row] = []
    quarantine: list[tuple[str, str]] = []
    found: dict[Place, Picture | str] = {}
    first_with: dict[str, str] = {}
    with Places() as places:
        for row in rows:
            if row.fault:
                quarantine.append((row.row, row.fault))
                continue
            if not row.text.strip():
                quarantine.append((row.row, "empty text"))
                continue
            if row.key in first_with:
                quarantine.append((row.row, f"duplicate of {first_with[row.key]}"))
                continue
            first_with[row.key] = row.row
            if row.picture not in found:
                found[row.picture] = read_picture(row.picture, places)
            picture = found[row.picture]
            if isinstance(picture, str):
                quarantine.append((row.row, picture))
            else:
                kept.append(row)
    refuse_if_too_many(len(kept), quarantine, max_share)
    return Screening(tuple(kept), {p: v for p, v in found.items() if isinstance(v, Picture)}, tuple(quarantine))


def refuse_if_too_many(
    n_kept: int,
    quarantine: Sequence[tuple[str, str]],
    max_share: float,
    what: str = "rows of the data set",
    setting: str = "dataset.max_quarantine_share",
) -> None:
    """Refuse a data set, or ``what`` there is of it, of which too little can be used.

    Raises:
        DataError: there are no good rows, or more bad ones than allowed.
    """
    n_rows = n_kept + len(quarantine)
    if n_rows == 0:
        raise DataError("the data set has no rows", "give at least one picture with a text")
    if n_kept and len(quarantine) / n_rows <= max_share:
        return
    reasons = "; ".join(f"{row}: {reason}" for row, reason in quarantine[:_REASONS_SHOWN])
    more = f"; ...{_all_in_a_file(quarantine)}" if len(quarantine) > _REASONS_SHOWN else ""
    raise DataError(
        f"{len(quarantine)} of {n_rows} {what} cannot be used "
        f"({len(quarantine) / n_rows:.1%}, allowed {max_share:.1%}): {reasons}{more}",
        f"mend these rows, or raise {setting}",
    )


def _all_in_a_file(quarantine: Sequence[tuple[str, str]]) -> str:
    """Write all bad rows as CSV into the user's cache, as a refused data set has no table, and tell where."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("row", "reason"), *quarantine])
    data = text.getvalue().encode()
    file = user_cache("bad-rows") / f"{hashlib.sha256(data).hexdigest()[:16]}.csv"
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        return f"; all are in {file}"
    return ""
