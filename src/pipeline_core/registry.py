"""Kinds of things that grow: a member is one file, found by its place or by an entry point, imported when it is used.

A kind is a package. Each module (or package) in it, but for those whose names begin with an underscore, is a member of
that name and holds it as ``MEMBER``. Other distributions add members by entry points of the group
``retrieval_lens.<kind>``, ``<name> = "<module>:MEMBER"``.
"""

import ast
import hashlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
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

    def identity(self, name: str | None = None) -> str | None:
        """Return a digest of the code of members from outside, what it imports of its own package, and SQL beside it.

        None where there are none.

        Args:
            name: of this member alone; None: of all.
        """
        digest, found = hashlib.sha256(), False
        for own, entry in self._outside.items():
            if name in (None, own):
                found = True
                for file in _files_of(entry):
                    content = file.read_bytes()
                    digest.update(f"{own} {entry.value} {file.name} {len(content)}\n".encode() + content)
        return digest.hexdigest() if found else None

    def _load(self, name: str) -> Member:
        if name in self._inside:
            member: Member = import_module(f"{self.package}.{name}").MEMBER
            return member
        entry = self._outside[name]
        place = f"the {self.kind.replace('_', ' ')} {name!r} of {entry.dist.name if entry.dist else entry.value}"
        try:
            member = entry.load()
            called = member.name
        except Exception as error:  # whatever is wrong in code that is not ours
            raise LensError(f"{place} cannot be loaded: {error}", "install it again, or remove it") from error
        if called != name:
            raise LensError(f"{place} calls itself {called!r}", "give the entry point the same name")
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
                f"the entry point {taken[0]!r} ({found[taken[0]].value}) of the group {GROUP}.{self.kind} has a "
                "name of this package's own",
                "give it another name",
            )
        return dict(sorted(found.items()))


def _files_of(entry: EntryPoint) -> tuple[Path, ...]:
    """Return the module of a member, what it imports of its own package, and its SQL; nothing of them is run.

    Nothing where it cannot be found, which is told when it is loaded.
    """
    found, waiting = dict[str, Path](), [entry.module]
    while waiting:
        name = waiting.pop()
        if name.partition(".")[0] == entry.module.partition(".")[0] and name not in found and (file := _origin(name)):
            found[name] = file
            waiting += _imported(name, file)
    if entry.module not in found:
        return ()
    module = found.pop(entry.module)
    return (module, *(found[name] for name in sorted(found)), *sorted(module.parent.glob(f"{entry.name}*.sql")))


def _origin(module: str) -> Path | None:
    top, *below = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not below and spec.has_location and spec.origin:
        return Path(spec.origin)
    folders = (Path(place, *below) for place in spec.submodule_search_locations or ())
    files = (file for folder in folders for file in (folder / "__init__.py", folder.with_suffix(".py")))
    return next((file for file in files if file.is_file()), None)


def _imported(module: str, file: Path) -> Iterator[str]:
    """Yield what a module names in imports: modules, and what may be a module or something within one."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    package = module if file.stem == "__init__" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))
