"""A data set as the tables of the schema, written into the dataset artifact."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline_core.dataset.images import SOURCE_FILE, write_images
from pipeline_core.dataset.places import Place
from pipeline_core.dataset.prompts import PROMPTS
from pipeline_core.dataset.tasks import Query, Sample, Task
from pipeline_core.schema import TABLES
from pipeline_core.schema.parquet import ROW_GROUP, write_rows, write_sorted

PUBLISHED = "published"
"""What ``source.json`` says of splits that were given with the data."""


@dataclass(frozen=True)
class Dataset:
    """What a source yields.

    Attributes:
        samples: every sample, with distinct ids.
        pairs: (picture id, text id) of matched samples.
        tasks: retrieval tasks and their controls.
        quarantine: (row, reason) of what was left out.
        root: folder that pictures are referred to from; None copies them, which are files, into the artifact.
        prompts: instruction of each ``prompt_id`` that the tasks or their queries name.
        published: the splits, or some, were given with the data: no seed draws them anew.
    """

    samples: tuple[Sample, ...]
    pairs: tuple[tuple[str, str], ...]
    tasks: tuple[Task, ...]
    quarantine: tuple[tuple[str, str], ...]
    root: Path | None
    prompts: Mapping[str, str] = field(default_factory=lambda: PROMPTS)
    published: bool = False

    def write(self, folder: Path) -> None:
        """Write the dataset stage's tables, and the pictures or where they are, into an artifact's folder."""
        if self.root or self.published:
            write_source(folder, self.root, published=self.published)
        reference = _referring(self, folder)
        samples = sorted(self.samples, key=lambda sample: sample.sample_id)
        _write(folder, "samples", (_sample_row(sample, reference) for sample in samples))
        splits = {sample.sample_id: sample.split for sample in self.samples if sample.picture}
        _write(folder, "pairs", ((image, text, splits[image]) for image, text in sorted(self.pairs)))
        # Tasks that search the same share a pool, called as the first of them.
        pools: dict[tuple[tuple[str | None, tuple[str, ...]], ...], str] = {}
        pool_ids = [pools.setdefault(tuple(task.candidates.items()), task.task_id) for task in self.tasks]
        write_rows(folder, "tasks", [task_row(*pair) for pair in zip(self.tasks, pool_ids, strict=True)])
        tasks = sorted(self.tasks, key=lambda task: task.task_id)
        asked = [(task, sorted(task.queries, key=lambda query: query.query_id)) for task in tasks]
        _write(folder, "queries", (_query_row(task, query) for task, queries in asked for query in queries))
        _write(folder, "candidates", _searched({pool_id: pool for pool, pool_id in pools.items()}))
        excluded = (
            (t.task_id, q.query_id, i)
            for t, queries in asked
            for q in queries
            if q.excluded
            for i in sorted(q.excluded)
        )
        _write(folder, "exclusions", excluded)
        # Queries of one content share their judgements until these are written.
        judged = (
            (t.task_id, q.query_id, *pair)
            for t, queries in asked
            for q in queries
            for pair in sorted(q.relevant.items())
        )
        _write(folder, "qrels", judged)
        write_rows(folder, "prompts", list(self.prompts.items()))
        write_rows(folder, "quarantine", list(self.quarantine))


def _write(folder: Path, name: str, rows: Iterator[tuple[Any, ...]]) -> None:
    """Write a table from its rows, which come in the order of its key, and hold a batch of them at a time."""

    def batches() -> Iterator[pa.RecordBatch]:
        schema = TABLES[name].arrow
        while batch := list(itertools.islice(rows, ROW_GROUP)):
            columns = zip(*batch, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    write_sorted(folder, name, batches())


def _searched(pools: Mapping[str, Sequence[tuple[str | None, tuple[str, ...]]]]) -> Iterator[tuple[Any, ...]]:
    """Go through the candidates in the order of their table: what every split searches comes after those of splits."""
    for pool_id in sorted(pools):
        for split, ids in sorted(pools[pool_id], key=lambda pool: (pool[0] is None, pool[0] or "")):
            yield from ((pool_id, split, sample_id) for sample_id in sorted(ids))


def _query_row(task: Task, query: Query) -> tuple[Any, ...]:
    return task.task_id, query.query_id, query.sample_id, query.split, query.prompt_id or task.query_prompt_id


def write_source(folder: Path, root: Path | None, *, published: bool) -> None:
    """Note the folder that pictures are referred to from, and whether the splits were given with the data."""
    origin = ({"root": str(root)} if root else {}) | ({"splits": PUBLISHED} if published else {})
    (folder / SOURCE_FILE).write_text(json.dumps(origin), encoding="utf-8")


def _referring(dataset: Dataset, folder: Path) -> Callable[[Place], str]:
    """Return what writes a picture's place as tables do; copied pictures are copied."""
    root = dataset.root
    if root is not None:
        return lambda place: place.reference(root)
    places = list(dict.fromkeys(sample.picture.place for sample in dataset.samples if sample.picture))
    copied = write_images(folder, [place.file for place in places])
    return dict(zip(places, copied, strict=True)).__getitem__


def _sample_row(sample: Sample, reference: Callable[[Place], str]) -> tuple[object, ...]:
    picture = sample.picture
    shown = (reference(picture.place), picture.sha256, picture.width, picture.height) if picture else (None,) * 4
    return (sample.sample_id, sample.modality, sample.text, *shown, sample.group, sample.split)


def task_row(task: Task, pool_id: str) -> tuple[object, ...]:
    """Return a task's row of the table ``tasks``."""
    return (
        task.task_id,
        task.task_type,
        task.query_modality,
        task.candidate_modality,
        task.query_prompt_id,
        task.candidate_prompt_id,
        pool_id,
        task.primary_k,
        task.control,
        task.control_of,
        task.description,
        task.queries_of,
        task.candidates_of,
        task.unanswered,
    )
