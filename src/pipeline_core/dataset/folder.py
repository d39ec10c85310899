"""The data set ``folder``: a folder of pictures with captions, as the ``imagefolder`` builder of Hugging Face reads it.

``metadata.csv``, ``.jsonl`` or ``.parquet`` with columns ``file_name`` and ``text``; several captions of a picture are
several rows.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

import polars as pl

from pipeline_core.config import DatasetConfig
from pipeline_core.dataset import prompts
from pipeline_core.dataset.screening import Row, Screening, screen
from pipeline_core.dataset.splits import SPLITS, Group, assign_splits
from pipeline_core.dataset.tables import Dataset
from pipeline_core.dataset.tasks import EVALUATED_SPLITS, Query, Sample, Task, judge_equal_content_equally
from pipeline_core.errors import ConfigError, DataError
from pipeline_core.store.fingerprint import folder_digest

_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    "metadata.csv": lambda path: pl.read_csv(path, infer_schema=False),
    "metadata.jsonl": lambda path: pl.read_ndjson(path, infer_schema_length=None),
    "metadata.parquet": pl.read_parquet,
}
_COLUMNS = ("file_name", "text")
_FEWEST_PICTURES = 10


class FolderSource:
    """The user's own pictures with captions."""

    def identity(self, config: DatasetConfig) -> str:
        """Return a digest of the relative path, size and sha256 of every file below the folder.

        Raises:
            ConfigError: ``dataset.path`` is not set, or is no folder.
        """
        return folder_digest(_root(config))

    def read(self, config: DatasetConfig) -> Dataset:
        """Read and screen the metadata, split by picture, and set t->i and i->t.

        Raises:
            ConfigError: ``dataset.path`` is not set, or is no folder.
            DataError: the metadata are missing, ambiguous or unreadable, lack a column, too many rows are bad, or there
                are too few pictures to split.
        """
        root = _root(config)
        screening = screen(_rows(root, _read_metadata(root)), config.max_quarantine_share)
        images, captions = _samples(root, screening, config.seed)
        samples = {sample.sample_id: sample for sample in (*images.values(), *(caption for _, caption in captions))}
        pairs = tuple((images[path].sample_id, caption.sample_id) for path, caption in captions)
        tasks = tuple(judge_equal_content_equally(task, samples) for task in _tasks(samples, pairs))
        return Dataset(tuple(samples.values()), pairs, tasks, screening.quarantine, root)


def _root(config: DatasetConfig) -> Path:
    if config.path is None:
        raise ConfigError("dataset.name is folder, and dataset.path is not set", "set dataset.path to the folder")
    root = Path(config.path).expanduser().resolve()
    if not root.is_dir():
        raise ConfigError(f"dataset.path is {config.path}, which is no folder", "give a folder of pictures")
    return root


def _read_metadata(root: Path) -> pl.DataFrame:
    found = [name for name in _READERS if (root / name).is_file()]
    if len(found) != 1:
        problem = f"has {' and '.join(found)}" if found else "has no metadata file"
        raise DataError(f"the folder {root} {problem}", f"put exactly one of {', '.join(_READERS)} there")
    path = root / found[0]
    try:
        return _caption_columns(path, _READERS[path.name](path))
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path} cannot be read: {reason}", "write it again, in UTF-8 and with one text a row"
        ) from None


def _caption_columns(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    missing = [column for column in _COLUMNS if column not in frame.columns]
    if missing:
        raise DataError(
            f"{path} has no column {' and no column '.join(missing)}; it has {', '.join(frame.columns) or 'none'}",
            "name the columns file_name and text",
        )
    return frame.select(pl.col(_COLUMNS).cast(pl.String).fill_null(""))


def _rows(root: Path, metadata: pl.DataFrame) -> Iterable[Row]:
    """Name rows from 1, the header not counted; the same caption twice on one picture is a duplicate."""
    for number, (file_name, text) in enumerate(metadata.iter_rows(), start=1):
        relative = PurePosixPath(file_name)
        if relative.is_absolute() or ".." in relative.parts:
            raise DataError(
                f"row {number}: the picture {file_name} is outside the folder", "give paths below the folder"
            )
        yield Row(f"row {number}", json.dumps([file_name, text]), root / file_name, text)


def _samples(root: Path, screening: Screening, seed: int) -> tuple[dict[Path, Sample], list[tuple[Path, Sample]]]:
    """Return the picture samples by file, and (file, caption sample) of each row; equal pictures are one group."""
    first_seen: dict[str, str] = {}
    groups: dict[Path, str] = {}
    for row in screening.rows:
        name = row.picture.relative_to(root).as_posix()
        groups[row.picture] = first_seen.setdefault(screening.pictures[row.picture].look, name)
    splits = assign_splits((Group(name, "", 1) for name in first_seen.values()), seed)
    empty = [split for split in SPLITS if split not in splits.values()]
    if empty:
        raise DataError(
            f"{len(first_seen)} different pictures are too few to split: nothing is left for {', '.join(empty)}",
            f"give at least {_FEWEST_PICTURES}",
        )
    images: dict[Path, Sample] = {}
    captions: list[tuple[Path, Sample]] = []
    counts: Counter[Path] = Counter()
    for row in screening.rows:
        path, group = row.picture, groups[row.picture]
        name = path.relative_to(root).as_posix()
        images.setdefault(path, Sample(f"image:{name}", None, screening.pictures[path], group, splits[group]))
        counts[path] += 1
        captions.append((path, Sample(f"text:{name}#{counts[path]}", row.text, None, group, splits[group])))
    return images, captions


def _tasks(samples: Mapping[str, Sample], pairs: Iterable[tuple[str, str]]) -> tuple[Task, Task]:
    answers: dict[str, dict[str, set[str]]] = {"image": defaultdict(set), "text": defaultdict(set)}
    for image_id, text_id in pairs:
        if samples[image_id].split in EVALUATED_SPLITS:
            answers["image"][image_id].add(text_id)
            answers["text"][text_id].add(image_id)
    queries = {
        modality: tuple(Query(i, i, samples[i].split, frozenset(relevant)) for i, relevant in found.items())
        for modality, found in answers.items()
    }
    pools = {
        modality: {split: tuple(i for i in found if samples[i].split == split) for split in EVALUATED_SPLITS}
        for modality, found in answers.items()
    }
    return (
        Task(
            "t2i",
            "text",
            "image",
            prompts.TEXT,
            prompts.IMAGE,
            "Caption to its picture.",
            queries["text"],
            pools["image"],
        ),
        Task(
            "i2t",
            "image",
            "text",
            prompts.IMAGE,
            prompts.TEXT,
            "Picture to each of its captions.",
            queries["image"],
            pools["text"],
        ),
    )
