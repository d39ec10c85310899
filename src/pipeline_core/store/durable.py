"""Files that survive a power cut: contents, then names, reach the disk before anything relies on them."""

import os
from pathlib import Path


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
