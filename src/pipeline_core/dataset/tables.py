"""A data set as the tables of the schema, written into the dataset artifact."""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

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
        splits = {sample.sample_id: sample.split for sample in self.samples}
        references = _references(self, folder)
        write_rows(folder, "samples", [_sample_row(sample, references) for sample in self.samples])
        write_rows(folder, "pairs", [(image, text, splits[image]) for image, text in self.pairs])
        # Tasks that search the same share a pool, called as the first of them.
        pools: dict[tuple[tuple[str | None, tuple[str, ...]], ...], str] = {}
        pool_ids = [pools.setdefault(tuple(task.candidates.items()), task.task_id) for task in self.tasks]
        write_rows(folder, "tasks", [task_row(*pair) for pair in zip(self.tasks, pool_ids, strict=True)])
        queries = [(task.task_id, query) for task in self.tasks for query in task.queries]
        asked = [
            (task.task_id, q.query_id, q.sample_id, q.split, q.prompt_id or task.query_prompt_id)
            for task in self.tasks
            for q in task.queries
        ]
        write_rows(folder, "queries", asked)
        searched = [(pool_id, split, ids) for pool, pool_id in pools.items() for split, ids in pool]
        write_rows(folder, "candidates", [(pool_id, split, i) for pool_id, split, ids in searched for i in ids])
        write_rows(folder, "exclusions", [(task_id, q.query_id, i) for task_id, q in queries for i in q.excluded])
        write_sorted(folder, "qrels", _judgements(queries))
        write_rows(folder, "prompts", list(self.prompts.items()))
        write_rows(folder, "quarantine", list(self.quarantine))


def _judgements(queries: Iterable[tuple[str, Query]]) -> Iterator[pa.RecordBatch]:
    """Go through the table of judgements in its order: queries of one content share theirs until they are written."""
    rows = (
        (task_id, query.query_id, *judged)
        for task_id, query in sorted(queries, key=lambda asked: (asked[0], asked[1].query_id))
        for judged in sorted(query.relevant.items())
    )
    while batch := list(itertools.islice(rows, ROW_GROUP)):
        columns = zip(*batch, strict=True)
        yield pa.RecordBatch.from_arrays(
            [pa.array(column, field.type) for column, field in zip(columns, TABLES["qrels"].arrow, strict=True)],
            schema=TABLES["qrels"].arrow,
        )


def write_source(folder: Path, root: Path | None, *, published: bool) -> None:
    """Note the folder that pictures are referred to from, and whether the splits were given with the data."""
    origin = ({"root": str(root)} if root else {}) | ({"splits": PUBLISHED} if published else {})
    (folder / SOURCE_FILE).write_text(json.dumps(origin), encoding="utf-8")


def _references(dataset: Dataset, folder: Path) -> dict[Place, str]:
    places = list(dict.fromkeys(sample.picture.place for sample in dataset.samples if sample.picture))
    if dataset.root is None:
        return dict(zip(places, write_images(folder, [place.file for place in places]), strict=True))
    return {place: place.reference(dataset.root) for place in places}


def _sample_row(sample: Sample, references: dict[Place, str]) -> tuple[object, ...]:
    picture = sample.picture
    shown = (references[picture.place], picture.sha256, picture.width, picture.height) if picture else (None,) * 4
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
