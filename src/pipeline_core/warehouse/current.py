"""The pointer file ``current``: which database readers open. Reading it needs nothing that building one needs."""

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.errors import QueryError

log = logging.getLogger(__name__)

FOLDER = "warehouse"
POINTER = "current"
NUMBERED = re.compile(r"warehouse-(\d+)\.duckdb")
"""Names of the versions of the database."""


@dataclass(frozen=True)
class Pointer:
    """What the file says: the database to read, and what it was made from, where.

    Attributes:
        file: name of the database, beside the pointer.
        root: where the store was when the database's views were made.
        made_of: digest of all that the database shows beside the journal.
    """

    file: str
    root: str
    made_of: str = ""


def read_pointer(root: Path) -> Pointer | None:
    """Return what the pointer file of a store says; None if there is none, or it says nothing that can be understood.

    Raises:
        OSError: this process may not read it, or open no more files.
    """
    try:
        pointer = Pointer(**json.loads((root / FOLDER / POINTER).read_bytes()))
        # An edited pointer must not lead out of the store.
        return pointer if NUMBERED.fullmatch(pointer.file) else None
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError, TypeError):
        return None


def current_warehouse(store_root: Path) -> Path:
    """Return the current version's file; a store that has moved gets one whose views point to where it is now.

    Raises:
        QueryError: the store has no warehouse yet.
    """
    root = store_root.resolve()
    pointer = read_pointer(root)
    if pointer is None:
        raise QueryError(f"the store {store_root} has no warehouse", "run lens run first, or name another --store")
    if pointer.root != str(root):
        from pipeline_core.warehouse.build import build_warehouse  # noqa: PLC0415 - few readers build

        log.warning("the store was moved here from %s: its warehouse is built anew, once", pointer.root)
        return build_warehouse(root)
    return root / FOLDER / pointer.file
