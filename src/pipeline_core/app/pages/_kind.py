"""What a page owns: its address, what may be asked of it, its questions, its template, and what it shows."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

import duckdb

from pipeline_core.app.answers import Answer, ask
from pipeline_core.app.kin import with_kin
from pipeline_core.app.site import Site
from pipeline_core.dataset.sources import SOURCES
from pipeline_core.errors import LensError, QueryError
from pipeline_core.library import Run
from pipeline_core.settings import Section
from pipeline_core.store.journal import LATEST
from pipeline_core.warehouse.parameters import Value

_KEPT_ROWS = 1000
"""Of longer answers, which drawings ask for, none is kept."""


class NotFoundError(LensError):
    """What an address names is not there."""


class Parameters(Section):
    """What stands behind the question mark of a page's address; unknown names are refused."""

    run: str = LATEST


@dataclass(frozen=True)
class Reply:
    """What a page answers in place of its template: JSON for a drawing, a file to keep.

    Attributes:
        content: the body.
        media_type: of what kind it is.
        file_name: what it is kept as; None: it is shown.
        packed: the content is in gzip.
    """

    content: bytes
    media_type: str
    file_name: str | None = None
    packed: bool = False


@dataclass(frozen=True)
class Visit:
    """One request for a page: what it may ask, and what of."""

    site: Site
    connection: duckdb.DuckDBPyConnection
    given: Any
    """The page's ``Parameters``."""
    page: "Page"

    @cached_property
    def run(self) -> Run:
        """The run that is looked at.

        Raises:
            NotFoundError: no completed run is called so.
        """
        return find_run(self.site, self.connection, self.given.run)

    @property
    def run_id(self) -> str:
        """Its name."""
        return self.run.record.run_id

    @cached_property
    def is_latest(self) -> bool:
        """Whether it is the run that ``latest`` names, by whatever name it was asked for."""
        return self.run_id == completed_runs(self.connection)[-1]

    @property
    def older_run(self) -> str | None:
        """The run that whoever asks again has to name; None: it was asked for as the latest."""
        return None if self.given.run == LATEST else self.run_id

    @property
    def credit(self) -> str | None:
        """What the licence of its data set wants said, if anything."""
        name = self.run.record.config.get("dataset", {}).get("name")
        return SOURCES[name].credit if name in SOURCES else None

    def ask(self, what: str = "", /, **values: Value) -> Answer:
        """Answer a question of the page: ``<name>.sql``, or ``<name>_<what>.sql``, of the run."""
        return self.answer(self.page.sql(what), **values)

    def answer(self, sql: str, **values: Value) -> Answer:
        """Answer a question in SQL; values that it has no parameter for are left out.

        What was asked of the same warehouse and run lately is not asked again: neither changes.
        """
        used = {name: value for name, value in values.items() if f"${name}" in sql}
        older = self.older_run is not None
        key = self._version, self.run_id, older, sql, *sorted(used.items())
        found = self.site.answers.get(key)
        if found is None:
            found = ask(self.connection, self.run_id, sql, used, older)
            found = replace(found, rows=with_kin(self.connection, self.run_id, found.rows))
            if len(found.rows) <= _KEPT_ROWS:
                self.site.answers.put(key, found)
        return found

    def kept(self, make: Callable[[], Reply]) -> Reply:
        """Return what the address is answered with, made once as long as the warehouse is the same."""
        found = self.known_reply()
        if found is None:
            found = make()
            self.site.replies.put(self._address, found)
        return found

    def known_reply(self) -> Reply | None:
        """Return what the address was answered with lately, if that was kept."""
        found: Reply | None = self.site.replies.get(self._address)
        return found

    @property
    def _address(self) -> tuple[str, ...]:
        return self._version, self.page.name, self.run_id, self.given.model_dump_json()

    @cached_property
    def _version(self) -> str:
        """The file of the warehouse that the connection reads."""
        asked = "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
        return str(self.connection.execute(asked).fetchall())

    def link(self, path: str = "", **changed: Any) -> str:
        """Return the address of a page for the same run, or of this one with some of what was asked changed."""
        asked = {} if path else self.given.model_dump(exclude_defaults=True)
        kept = {} if self.given.run == LATEST else {"run": self.given.run}
        values = {name: value for name, value in (kept | asked | changed).items() if value not in (None, "")}
        return (path or self.page.path) + (f"?{urlencode(values, doseq=True)}" if values else "")

    def model(self, name: str) -> str:
        """Return the run's model of a name, the one studied where none is given.

        Raises:
            NotFoundError: it has none of that name.
        """
        return _one_of(name, self.run.models, "model")

    def sae(self, name: str) -> str:
        """Return the run's autoencoder of a name, <model>/<name>, the first where none is given.

        Raises:
            NotFoundError: it has none of that name, or none at all.
        """
        return _one_of(name, self.run.saes, "autoencoder")


def completed_runs(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the ids of the completed runs that the warehouse shows, the latest last."""
    asked = "SELECT run_id FROM runs WHERE state = 'completed' ORDER BY started, run_id"
    return [str(row[0]) for row in connection.execute(asked).fetchall()]


def find_run(site: Site, connection: duckdb.DuckDBPyConnection, name: str) -> Run:
    """Return a completed run that the warehouse shows, by its id or as the latest.

    Raises:
        NotFoundError: there is none.
    """
    runs = completed_runs(connection)
    chosen = runs[-1] if runs and name == LATEST else name
    if chosen not in runs:
        raise NotFoundError(f"the store has no completed run {name!r}", f"it has {', '.join(runs[-3:]) or 'none'}")
    return site.run(chosen)


def _one_of(name: str, known: tuple[str, ...], what: str) -> str:
    if not known or (name and name not in known):
        raise NotFoundError(f"the run has no {what} {name!r}", f"it has {', '.join(known) or 'none'}")
    return name or known[0]


class Page(ABC):
    """A member of the kind.

    Attributes:
        name: the name of its module.
        title: its heading, and what links to it say.
        path: its address.
        place: where it stands in the bar at the top; None: only other pages lead to it.
        parameters: what may be asked of it.
        computes: it works something out that no table holds: only so many visits of such pages are answered at once.
    """

    name: str
    title: str
    path: str
    place: int | None = None
    parameters: ClassVar[type[Parameters]] = Parameters
    computes: ClassVar[bool] = False

    @abstractmethod
    def show(self, visit: Visit) -> Mapping[str, Any] | Reply:
        """Return what its template shows, by the names that it uses there; or another reply.

        Raises:
            NotFoundError: something that the address names is not there.
            LensError: it cannot be shown.
        """

    def template(self) -> str:
        """Return its template, ``<name>.html`` beside its module: it extends ``base.html``."""
        return self._beside(f"{self.name}.html")

    def sql(self, what: str = "") -> str:
        """Return a question of its own."""
        return self._beside(f"{self.name}_{what}.sql" if what else f"{self.name}.sql")

    def _beside(self, name: str) -> str:
        module = Path(str(sys.modules[type(self).__module__].__file__))
        try:
            return module.with_name(name).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            raise QueryError(f"the page {self.name} lacks its file {name}", "install its package again") from None
