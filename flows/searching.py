"""Searches of a completed run: its searcher, and questions as people type them, one a line."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pipeline_core.activations.query import Question
from pipeline_core.errors import QueryError
from pipeline_core.index.searcher import Searcher
from pipeline_core.library import Run, open_store
from pipeline_core.store.journal import LATEST, completed_run

_PICTURE = "--image"


def open_searcher(root: Path, model: str | None = None, device: str | None = None, run: str = LATEST) -> Searcher:
    """Load a model of a completed run, named as for ``find_run``, to search its index with.

    Raises:
        StoreError: there is no such run; otherwise as ``Run.searcher``.
    """
    return Run(open_store(root), completed_run(root, run)).searcher(model, device)


def read_lines() -> Iterator[str]:
    """Yield what is piped in, line by line; on a terminal ask for each, until an empty one or the end."""
    if not sys.stdin.isatty():
        yield from filter(None, map(str.strip, sys.stdin))
        return
    with suppress(EOFError):
        while line := input("search> ").strip():
            yield line


def read_question(line: str) -> Question:
    """Return what a line asks for: its words, or ``--image FILE`` with words or without.

    Raises:
        QueryError: no file follows ``--image``.
    """
    if not line.startswith(_PICTURE):
        return Question(line)
    try:
        _, file, *words = shlex.split(line)
    except ValueError:
        raise QueryError(f"the line {line!r} names no picture", f"write {_PICTURE} 'FILE', and words if any") from None
    return Question(" ".join(words) or None, Path(file))
