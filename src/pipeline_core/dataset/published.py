"""How much a benchmark holds, as it was published: what a plan goes by where the data are not here."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True)
class PublishedTask:
    """The test split of one task.

    Attributes:
        task: what the files call it.
        sides: short names of the modalities of queries and candidates, e.g. ``it2i``.
        queries: how many.
        candidates: how many its own pool holds.
        relevant: judgements.
        query_characters: of a query's text, on average; 0 without texts.
        query_width, query_height: of a query's picture, pixels on average; 0 without pictures.
        candidate_characters, candidate_width, candidate_height: of a candidate, likewise.
    """

    task: str
    sides: str
    queries: int
    candidates: int
    relevant: int
    query_characters: int
    query_width: int
    query_height: int
    candidate_characters: int
    candidate_width: int
    candidate_height: int


@runtime_checkable
class Published(Protocol):
    """A source that knows how much its data are without them."""

    def published(self, settings: Any) -> Sequence[PublishedTask]:
        """Return the tasks that settings choose; empty where one is not known, or a sample is taken."""


def read_published(file: Path) -> list[PublishedTask]:
    """Read tasks from a file of the package, with a column for each attribute."""
    with file.open(encoding="utf-8", newline="") as opened:
        rows = [[row[field.name] for field in fields(PublishedTask)] for row in csv.DictReader(opened)]
    return [PublishedTask(task, sides, *map(int, counts)) for task, sides, *counts in rows]
