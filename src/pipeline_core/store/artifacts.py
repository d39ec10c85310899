"""The content-addressed store: build aside under a lock, validate, publish by one rename; find, verify, prune."""

import errno
import fcntl
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Literal

from pipeline_core.errors import StoreError
from pipeline_core.store.digests import digest_once, file_digest
from pipeline_core.store.durable import publish_text, sync, sync_tree
from pipeline_core.store.fingerprint import SHORT, StageKey
from pipeline_core.store.journal import RUNS
from pipeline_core.store.manifest import MANIFEST, Artifact, describe, read_artifact
from pipeline_core.store.peak import forget_peak
from pipeline_core.user_cache import user_cache

log = logging.getLogger(__name__)

Status = Literal["present", "missing", "damaged"]
Digest = Callable[[Path], str]

_LOCKS = ".locks"
_SPENT = ".spent"
"""In a folder that an artifact is built in: the seconds that others took for it."""


@dataclass(frozen=True)
class Problem:
    """Something wrong with an artifact: which file, and what."""

    artifact: str
    file: str
    what: str


class Store:
    """Artifacts under ``root/<stage>/<fingerprint>/``. Every method is safe among concurrent processes."""

    def __init__(self, root: Path) -> None:
        """Use (and create when needed) the folder ``root``.

        Raises:
            StoreError: ``root`` cannot be a folder.
        """
        self.root = root.resolve()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the store {root} cannot be made: {error.strerror}", "name another with --store"
            ) from None

    def check_writable(self) -> None:
        """See that something can be written into the store, before a run or a server is started for it.

        Raises:
            OSError: nothing can.
        """
        with TemporaryFile(dir=self.root):
            pass

    def folder(self, key: StageKey) -> Path:
        """Return where the artifact of ``key`` is or will be."""
        return self.root / key.stage / key.short

    def unfinished(self, key: StageKey) -> Path:
        """Return the folder, made when needed, that the artifact of ``key`` is built in; builds resume from it."""
        partial = self.root / key.stage / f".partial-{key.short}"
        partial.mkdir(parents=True, exist_ok=True)
        return partial

    def status(self, key: StageKey) -> Status:
        """Say whether the artifact is there with every file at its recorded size. Changes nothing."""
        return self._status(self.folder(key))

    def get(self, key: StageKey) -> Artifact:
        """Return a published artifact to be built upon: its bytes are read against their digests, once a process.

        Raises:
            StoreError: it is missing or damaged.
        """
        return self._get(self.folder(key), digest_once)

    def find(self, stage: str, fingerprint: str, *, read: bool = False) -> Artifact:
        """Return a published artifact by the names that the journal gives it.

        Args:
            stage: the stage.
            fingerprint: as the journal has it.
            read: its bytes are read against their digests, once a process.

        Raises:
            StoreError: it is missing, or a file is missing, of another size or, where it is read, of other bytes.
        """
        return self._get(self.root / stage / fingerprint, digest_once if read else None)

    def mend(self, key: StageKey) -> Status:
        """Set an artifact aside, with a warning, if its bytes are not those published; say what is there afterwards."""
        folder = self.folder(key)
        if self._status(folder, digest_once) == "damaged":
            with self._lock(f"{key.stage}-{key.short}"):
                if self._status(folder, digest_once) == "damaged":
                    self._replace_damaged(key)
        return self._status(folder)

    def materialize(
        self,
        key: StageKey,
        build: Callable[[Path], None],
        validate: Callable[[Path], Iterable[dict[str, Any]]] | None = None,
        placement: Mapping[str, Any] | None = None,
        rules: str | None = None,
        spent: Callable[[], float] = lambda: 0.0,
    ) -> tuple[Artifact, bool]:
        """Return the artifact of ``key`` and whether it was there already; build, validate and publish it otherwise.

        ``build`` writes into a folder that keeps what an interrupted build left there, so that it can resume. Two
        callers that want the same artifact build it once. A damaged artifact is set aside, not deleted, and built anew.

        Args:
            key: what to build.
            build: writes the artifact's files into the folder that it is given.
            validate: returns the results of the contracts of the folder's tables; raises to refuse publication.
            placement: how it is carried out, for the manifest.
            rules: digest of what ``validate`` judges by. An artifact that was accepted by others is judged anew, and
                its manifest tells the outcomes; it is not built again.
            spent: asked after the build, for the manifest: the seconds that others took for the artifact, less those
                that its build took for others.
        """
        folder = self.folder(key)
        with self._lock(f"{key.stage}-{key.short}"):
            status = self.status(key)
            if status == "present":
                found = read_artifact(folder)
                if validate is not None and found.manifest.rules != rules:
                    judged = {"contracts": tuple(validate(folder)), "rules": rules}
                    found = Artifact(folder, found.manifest.model_copy(update=judged))
                    publish_text(folder / MANIFEST, found.manifest.model_dump_json(indent=1))
                return found, True
            if status == "damaged":
                self._replace_damaged(key)
            partial = self.unfinished(key)
            forget_peak()
            started = time.monotonic()
            build(partial)
            contracts = tuple(validate(partial)) if validate else ()
            seconds = spent() + _noted(partial) + time.monotonic() - started
            (partial / _SPENT).unlink(missing_ok=True)
            manifest = describe(key, partial, seconds, contracts, placement or {}, rules)
            (partial / MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
            sync_tree(partial)
            partial.replace(folder)
            sync(folder.parent)
            sync(self.root)
            return Artifact(folder, manifest), False

    def note_spent(self, key: StageKey, seconds: float) -> None:
        """Add the seconds that another build took for an artifact to those that its manifest will tell."""
        partial = self.unfinished(key)
        (partial / _SPENT).write_text(str(_noted(partial) + seconds), encoding="utf-8")

    @contextmanager
    def claimed(self, key: StageKey) -> Iterator[bool]:
        """Keep others from building an artifact while parts of it are built; yields False if somebody builds it."""
        with self._lock(f"{key.stage}-{key.short}", wait=False) as locked:
            yield locked

    def artifacts(self) -> list[Artifact]:
        """Return every published artifact whose manifest can be read, by stage and fingerprint."""
        return [read_artifact(f) for f in self._folders() if (f / MANIFEST).is_file() and not list(self._check(f))]

    def verify(self) -> list[Problem]:
        """Check every file of every artifact: presence, size and sha256."""
        return [problem for folder in self._folders() for problem in self._check(folder, file_digest)]

    def set_aside(self, folder: Path) -> Path:
        """Move an artifact out of the way, into ``root/.damaged``; return where it is now."""
        aside = self.root / ".damaged" / f"{folder.parent.name}-{folder.name}-{time.time_ns()}"
        aside.parent.mkdir(exist_ok=True)
        folder.replace(aside)
        return aside

    def prune(self, keep: Callable[[], set[str]], dry_run: bool) -> list[Path]:
        """Remove artifacts and unfinished builds that nobody uses; return their folders.

        Args:
            keep: returns the "stage/fingerprint" of all that is used; asked again when each artifact is locked, because
                a run may have started since.
            dry_run: remove nothing.
        """
        doomed = []
        kept = keep()
        for folder in (*self._folders(), *sorted(self.root.glob("*/.partial-*"))):
            stage, fingerprint = folder.parent.name, folder.name.removeprefix(".partial-")
            name = f"{stage}/{fingerprint}"
            if name in kept:
                continue
            if dry_run:
                doomed.append(folder)
                continue
            with self._lock(f"{stage}-{fingerprint}"):
                if folder.exists() and name not in keep():
                    _remove(folder)
                    doomed.append(folder)
        # Reference models, which are in the user's cache now.
        for models in self.root.glob(".models"):
            doomed.append(models)
            if not dry_run:
                _remove(models)
        return doomed

    def _get(self, folder: Path, digest: Digest | None = None) -> Artifact:
        status = self._status(folder, digest)
        if status != "present":
            name = f"{folder.parent.name}/{folder.name}"
            raise StoreError(f"the artifact {name} is {status}", "run lens run to build it")
        return read_artifact(folder)

    def _status(self, folder: Path, digest: Digest | None = None) -> Status:
        if not folder.exists():
            return "missing"
        return "damaged" if any(True for _ in self._check(folder, digest)) else "present"

    def _replace_damaged(self, key: StageKey) -> None:
        aside = self.set_aside(self.folder(key))
        log.warning("%s/%s was damaged: set aside as %s and built anew", key.stage, key.short, aside)

    def _folders(self) -> list[Path]:
        return sorted(
            f for f in self.root.glob("*/*") if f.is_dir() and not f.parent.name.startswith(".") and _is_short(f)
        )

    def _check(self, folder: Path, digest: Digest | None = None) -> Iterator[Problem]:
        name = f"{folder.parent.name}/{folder.name}"
        try:
            manifest = read_artifact(folder).manifest
        except StoreError as error:
            yield Problem(name, MANIFEST, error.problem)
            return
        whole = []
        for entry in manifest.files:
            path = folder / entry.path
            size = path.stat().st_size if path.is_file() else None
            if size is None:
                yield Problem(name, entry.path, "is missing")
            elif size != entry.size:
                yield Problem(name, entry.path, f"holds {size} bytes instead of {entry.size}")
            else:
                whole.append(entry)
        if digest is not None:
            # Digests are worked out without the interpreter's lock: as many at once as there are cores.
            with ThreadPoolExecutor(os.cpu_count()) as threads:
                found = threads.map(_readable(digest), [folder / entry.path for entry in whole])
                for entry, sha256 in zip(whole, found, strict=True):
                    if sha256 != entry.sha256:
                        what = "has other contents than were published" if sha256 else "cannot be read from the disk"
                        yield Problem(name, entry.path, what)

    @contextmanager
    def _lock(self, name: str, wait: bool = True) -> Iterator[bool]:
        # The kernel frees a flock when its holder dies, so a killed build never blocks the next one.
        path = self.root / _LOCKS / name
        path.parent.mkdir(exist_ok=True)
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not wait:
                    yield False
                    return
                log.info("waiting for another run that is building %s", name)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield True


def with_models(root: Path) -> list[Store]:
    """Return the store of a folder and, where there is one, that of reference models in the user's cache."""
    cache = user_cache("models")
    return [Store(root), *([Store(cache)] if cache.is_dir() else [])]


def is_store(root: Path) -> bool:
    """Say whether a folder is empty, or a store: one that was begun has locks, and a copy without these has runs."""
    return any((root / own).is_dir() for own in (RUNS, _LOCKS)) or not any(root.iterdir())


def _noted(partial: Path) -> float:
    note = partial / _SPENT
    return float(note.read_text(encoding="utf-8")) if note.is_file() else 0.0


def _remove(folder: Path) -> None:
    """Remove a folder; of a link, what it leads to stays."""
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder)


def _readable(digest: Digest) -> Callable[[Path], str | None]:
    def read(path: Path) -> str | None:
        try:
            return digest(path)
        except OSError as error:
            # A bad place on the disk is damage; that this process may open no more files, say, is not.
            if error.errno != errno.EIO:
                raise
            return None

    return read


def _is_short(folder: Path) -> bool:
    return len(folder.name) == SHORT and set(folder.name) <= set("0123456789abcdef")
