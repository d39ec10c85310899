"""Questions of the pages to the warehouse: the current one at each request, over connections that wait to be reused."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import quote, urlencode

import duckdb

from pipeline_core.warehouse.current import current_warehouse
from pipeline_core.warehouse.parameters import Value, told
from pipeline_core.warehouse.query import files_told, open_warehouse

_UNSAFE = re.compile(r"[^A-Za-z0-9_.~ -]+")


@dataclass(frozen=True)
class Answer:
    """The rows that a question gave, and its text below the values of its parameters, which asks it again.

    Attributes:
        rows: by the names of columns.
        sql: the text.
        run: the run that it was asked of, where that is not the latest.
    """

    rows: list[dict[str, Any]]
    sql: str
    run: str | None = None

    @cached_property
    def link(self) -> str:
        """Where the console answers it."""
        return f"/sql?sql={_quoted(self.sql)}" + ("" if self.run is None else f"&{urlencode({'run': self.run})}")


def _quoted(text: str) -> str:
    """Return a text as it stands in an address; ``quote_plus`` goes by bytes, which takes long where many are told."""
    return _UNSAFE.sub(lambda found: quote(found[0], safe=""), text).replace(" ", "+")


class Warehouse:
    """The warehouse of a store. Opening a connection takes longer than most answers: idle ones are kept."""

    def __init__(self, root: Path) -> None:
        """Take the folder of the store; nothing is opened before somebody asks."""
        self._root = root
        self._idle: tuple[Path | None, SimpleQueue[duckdb.DuckDBPyConnection]] = (None, SimpleQueue())

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend a connection to what is the current version now; one that was published since is another file.

        Raises:
            QueryError: the store has no warehouse yet, or it cannot be opened.
        """
        current = current_warehouse(self._root)
        if self._idle[0] != current:
            self._idle = (current, SimpleQueue())
        idle = self._idle[1]
        try:
            connection = idle.get_nowait()
        except Empty:
            connection = open_warehouse(self._root)
        try:
            yield connection
        except BaseException:  # whatever state it is in now
            connection.close()
            raise
        idle.put(connection)


def ask(
    connection: duckdb.DuckDBPyConnection, run_id: str, sql: str, values: Mapping[str, Value], older: bool = False
) -> Answer:
    """Answer a question of a page about a run, which scopes (``latest.<table>``) and views show meanwhile.

    Args:
        connection: that of the visit.
        run_id: the run.
        sql: the question.
        values: of its parameters.
        older: the run is not the latest, so that whoever asks again has to name it.

    Raises:
        QueryError: the warehouse is of another version, so that it lacks what is asked for, or a file of the store is
            gone or damaged.
    """
    with files_told():
        connection.execute("SET VARIABLE run = $run", {"run": run_id})
        answered = connection.execute(sql, dict(values))
        names = [str(column[0]) for column in answered.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in answered.fetchall()]
    return Answer(rows, told(sql, values), run_id if older else None)
