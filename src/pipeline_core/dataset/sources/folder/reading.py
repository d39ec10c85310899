"""A folder read as a data set: its captioned pictures, its own queries, or both."""

from pathlib import Path

from pipeline_core.dataset import judged as judging
from pipeline_core.dataset.captions import (
    Captions,
    caption_samples,
    caption_tasks,
    image_sample,
    screen_captions,
    support_set_aside,
)
from pipeline_core.dataset.files import identify, tell_linked, tell_unnamed
from pipeline_core.dataset.judged import Judged
from pipeline_core.dataset.judged_tasks import JudgedTasks, document_samples, judged_tasks
from pipeline_core.dataset.prompts import PROMPTS
from pipeline_core.dataset.sources.folder import FolderSettings
from pipeline_core.dataset.sources.folder.files import find_files
from pipeline_core.dataset.sources.folder.judged import read_items, read_judged
from pipeline_core.dataset.sources.folder.metadata import read_captions
from pipeline_core.dataset.tables import Dataset
from pipeline_core.dataset.tasks import judge_equal_content_equally
from pipeline_core.errors import DataError


def identity(root: Path, _settings: FolderSettings) -> str:
    """Return what changes whenever the data do: a digest of the folder's files and of the pictures that they name.

    Raises:
        DataError: the folder's files are missing, ambiguous or unreadable.
    """
    layout = find_files(root)
    pictures = {caption.picture for caption in read_captions(layout.metadata)} if layout.metadata else set()
    for file in (layout.queries, layout.corpus):
        if file:
            pictures |= {item.picture for item in read_items(file)[0] if item.picture}
    tell_unnamed(root, pictures)
    tell_linked(root, pictures)
    return identify(root, layout.files, pictures)


def read(root: Path, settings: FolderSettings) -> Dataset:
    """Read and screen captions, queries and judgements, split what is not split yet, and set the tasks.

    Raises:
        DataError: the folder's files are missing, ambiguous or unreadable, too many rows are bad, there are too few
            pictures to split, or nothing is asked.
    """
    layout = find_files(root)
    captions, judged = Captions((), {}, ()), Judged()
    if layout.metadata:
        captions = screen_captions(read_captions(layout.metadata), settings.max_quarantine_share)
        captions = support_set_aside(captions, settings, root)
    if layout.queries:
        judged = read_judged(layout, captions.pictures, settings.max_quarantine_share, settings.asks_all)
        judging.support_set_aside(judged, settings, root)
    looks = judged.look_splits if layout.queries else None
    samples, pairs = caption_samples(captions, settings.seed, looks) if captions.rows else ({}, ())
    tasks = [
        judge_equal_content_equally(task, samples, asks_all=settings.asks_all) for task in caption_tasks(samples, pairs)
    ]
    made = JudgedTasks()
    if layout.queries:
        documents = document_samples(judged)
        found = documents or {name: samples[image_sample(name)] for name in captions.pictures}
        made = judged_tasks(judged, found, mixed=settings.mixed, asks_all=settings.asks_all)
    if not (tasks or made.tasks):
        raise DataError(f"the data set {root} asks nothing", "put pictures or queries into the split test")
    return Dataset(
        tuple((samples | made.samples).values()),
        tuple(dict.fromkeys((*pairs, *made.pairs))),
        (*tasks, *made.tasks),
        (*captions.quarantine, *judged.quarantine, *made.unused),
        root,
        PROMPTS | made.prompts,
        published=captions.published or layout.queries is not None,
    )
