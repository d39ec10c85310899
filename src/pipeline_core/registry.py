"""Kinds of things that grow: a member is one file, found by its place or by an entry point, imported when it is used.

A kind is a package. Each module (or package) in it, but for those whose names begin with an underscore, is a member of
that name and holds it as ``MEMBER``. Other distributions add members by entry points of the group
``retrieval_lens.<kind>``, ``<name> = "<module>:MEMBER"``.
"""

import pkgutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, TypeVar

from pipeline_core.errors import ConfigError, LensError

GROUP = "retrieval_lens"


class Named(Protocol):
    """What every member has."""

    @property
    def name(self) -> str:
        """What configs and tables call it: the name of its file or entry point."""


Member = TypeVar("Member", bound=Named)


class Registry(Mapping[str, Member]):
    """The members of one kind by name: those of the package in order of name, then those from outside.

    Attributes:
        kind: the kind in the singular, as entry points spell it, e.g. ``adaptation``.
        package: dotted name of the package whose modules are the members; None where all come from outside.
    """

    def __init__(self, kind: str, package: str | None = None) -> None:
        """Name the kind; nothing is imported before a member is asked for."""
        self.kind = kind
        self.package = package
        self._loaded: dict[str, Member] = {}

    def __getitem__(self, name: str) -> Member:
        """Return a member.

        Raises:
            KeyError: there is none of that name.
            LensError: it comes from outside and cannot be loaded, or is called otherwise than its entry point.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter((*self._inside, *self._outside))

    def __len__(self) -> int:
        """Return the number of members."""
        return len(self._inside) + len(self._outside)

    def find(self, name: str, field: str) -> Member:
        """Return the member that a setting names.

        Raises:
            ConfigError: there is none; it names the setting ``field`` and what it may be.
        """
        if name not in self:
            words = self.kind.replace("_", " ")
            raise ConfigError(f"there is no {words} {name!r}", f"{field} may be {' or '.join(self)}")
        return self[name]

    def _load(self, name: str) -> Member:
        if name in self._inside:
            member: Member = import_module(f"{self.package}.{name}").MEMBER
            return member
        entry = self._outside[name]
        place = f"the {self.kind.replace('_', ' ')} {name!r} of {entry.dist.name if entry.dist else entry.value}"
        try:
            member = entry.load()
        except (ImportError, AttributeError) as error:
            raise LensError(f"{place} cannot be loaded: {error}", "install it again, or remove it") from error
        if member.name != name:
            raise LensError(f"{place} calls itself {member.name!r}", "give the entry point the same name")
        return member

    @cached_property
    def _inside(self) -> tuple[str, ...]:
        if self.package is None:
            return ()
        found = pkgutil.iter_modules(import_module(self.package).__path__)
        return tuple(sorted(module.name for module in found if not module.name.startswith("_")))

    @cached_property
    def _outside(self) -> dict[str, EntryPoint]:
        found = {entry.name: entry for entry in entry_points(group=f"{GROUP}.{self.kind}")}
        taken = sorted(found.keys() & set(self._inside))
        if taken:
            raise LensError(
                f"the entry point {taken[0]!r} ({found[taken[0]].value}) is called as a {self.kind} of this package",
                "give it another name",
            )
        return dict(sorted(found.items()))
