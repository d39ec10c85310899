"""Files that survive a power cut: contents, then names, reach the disk before anything relies on them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

_WRITING = ".writing"


def sync(path: Path) -> None:
    """Wait until a file's contents, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Sync every file and folder below ``folder``, and itself last."""
    for parent, _, files in os.walk(folder, topdown=False):
        for file in files:
            sync(Path(parent, file))
        sync(Path(parent))


def publish_file(source: Path, target: Path) -> None:
    """Rename a finished file to ``target``: whatever happens, a reader sees the old one or the whole new one."""
    sync(source)
    source.replace(target)
    sync(target.parent)


def publish_text(path: Path, text: str) -> None:
    """Write a UTF-8 file aside and publish it."""
    aside = path.with_name(f".{path.name}.tmp")
    aside.write_text(text, encoding="utf-8")
    publish_file(aside, path)


@contextmanager
def whole_files(folder: Path, name: str, seal: str) -> Iterator[Path]:
    """Yield a folder to write files into, which come into their places in ``folder`` when nothing went wrong.

    Each is flushed to the disk and renamed. No lock is needed: whoever writes the same files at the same time, or was
    killed while it did, has a folder of its own. ``clear_unfinished`` takes away what killed ones left.

    Args:
        folder: where the files go, as they lie in the folder that is yielded.
        name: what is written.
        seal: the file that comes last, so that where it is, the others are.
    """
    aside = folder / _WRITING / f"{name}-{uuid4().hex[:12]}"
    aside.mkdir(parents=True)
    try:
        yield aside
        files = (path.relative_to(aside) for path in aside.rglob("*") if path.is_file())
        for file in sorted(files, key=lambda file: (file == Path(seal), file)):
            sync(aside / file)
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (aside / file).replace(folder / file)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def clear_unfinished(folder: Path) -> None:
    """Take away what was never finished of the files that ``whole_files`` brings into a folder."""
    shutil.rmtree(folder / _WRITING, ignore_errors=True)
