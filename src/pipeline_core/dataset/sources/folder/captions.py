"""Pictures with captions, as the ``imagefolder`` builder of Hugging Face reads them, and how they are split.

``metadata.csv``, ``.jsonl`` or ``.parquet`` with columns ``file_name`` and ``text``; several captions of a picture are
several rows. Optional columns: ``split``, which is then kept, and ``group``, whose pictures share a split.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from scipy.cluster.hierarchy import DisjointSet

from pipeline_core.dataset.files import picture_name
from pipeline_core.dataset.places import Place
from pipeline_core.dataset.screening import Picture, Row, screen
from pipeline_core.dataset.splits import SPLITS, Group, assign_splits, furthest_from_training
from pipeline_core.dataset.tasks import EVALUATED_SPLITS, Query, Sample, Task, task_between
from pipeline_core.errors import DataError

_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".csv": lambda path: pl.read_csv(path, infer_schema=False),
    ".jsonl": lambda path: pl.read_ndjson(path, infer_schema_length=None),
    ".parquet": pl.read_parquet,
}
_COLUMNS = ("file_name", "text")
_FEWEST_PICTURES = 10


@dataclass(frozen=True)
class Caption:
    """One row: a picture by its path below the folder, a text, and the split and group that the row gives."""

    row: str
    picture: str
    text: str
    split: str | None
    group: str | None


@dataclass(frozen=True)
class Captions:
    """The rows that can be used, their pictures by path below the folder, and (row, reason) of the others."""

    rows: tuple[Caption, ...]
    pictures: Mapping[str, Picture]
    quarantine: tuple[tuple[str, str], ...]

    @property
    def published(self) -> bool:
        """Whether the rows give their splits."""
        return any(caption.split for caption in self.rows)


def read_captions(metadata: Path) -> tuple[Caption, ...]:
    """Return every row, named from 1, the header not counted.

    Raises:
        DataError: the file cannot be read, lacks a column, or a row names a picture outside the folder, no split, or
            another split or group than a row before it.
    """
    try:
        frame = _READERS[metadata.suffix](metadata)
        missing = [column for column in _COLUMNS if column not in frame.columns]
        if missing:
            raise DataError(
                f"{metadata} has no column {' and no column '.join(missing)}; it has "
                f"{', '.join(frame.columns) or 'none'}",
                "name the columns file_name and text",
            )
        lists = [name for name in _COLUMNS if frame.schema[name].is_nested()]
        if lists:
            raise DataError(f"{metadata} has lists in the column {' and '.join(lists)}", "write one text a row")
        columns = [
            pl.col(name).cast(pl.String) if name in frame.columns else pl.lit(None, pl.String).alias(name)
            for name in (*_COLUMNS, "split", "group")
        ]
        rows = frame.select(columns).rows()
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{metadata} cannot be read: {reason}", "write it again, in UTF-8 and with one text a row"
        ) from None
    captions = tuple(
        Caption(
            f"row {number}",
            picture_name(file_name or "", f"row {number}"),
            text or "",
            _split(split, f"row {number}") if "split" in frame.columns else None,
            group or None,
        )
        for number, (file_name, text, split, group) in enumerate(rows, start=1)
    )
    for unit in ("picture", "group"):
        _refuse_two_minds(captions, unit)
    return captions


def screen_captions(root: Path, captions: Iterable[Caption], max_share: float) -> Captions:
    """Separate the rows that can be used; the same caption twice on one picture is a duplicate.

    Raises:
        DataError: too many rows are bad.
    """
    by_row = {caption.row: caption for caption in captions}
    screening = screen(
        (Row(c.row, json.dumps([c.picture, c.text]), Place(root / c.picture), c.text) for c in by_row.values()),
        max_share,
    )
    rows = tuple(by_row[row.row] for row in screening.rows)
    return Captions(rows, {c.picture: screening.pictures[Place(root / c.picture)] for c in rows}, screening.quarantine)


def caption_samples(
    captions: Captions, seed: int, judged: Mapping[str, str] | None = None
) -> tuple[dict[str, Sample], tuple[tuple[str, str], ...]]:
    """Return the samples of pictures and texts by id, and the pairs of their ids.

    Args:
        captions: rows that can be used.
        seed: decides between support and validation, where no splits are given.
        judged: the user's own queries need these looks in these splits, where no splits are given; without own
            queries, pictures must be enough to fill every split.

    Raises:
        DataError: there are too few pictures to split.
    """
    groups = _groups(captions)
    splits = _splits(captions, groups, seed, judged)
    samples: dict[str, Sample] = {}
    pairs: list[tuple[str, str]] = []
    counts: Counter[str] = Counter()
    for caption in captions.rows:
        name, group = caption.picture, groups[caption.picture]
        counts[name] += 1
        image_id, text_id = image_sample(name), f"text:{name}#{counts[name]}"
        samples.setdefault(image_id, Sample(image_id, None, captions.pictures[name], group, splits[group]))
        samples[text_id] = Sample(text_id, caption.text, None, group, splits[group])
        pairs.append((image_id, text_id))
    return samples, tuple(pairs)


def image_sample(name: str) -> str:
    """Return the id of a picture's sample."""
    return f"image:{name}"


def caption_tasks(samples: Mapping[str, Sample], pairs: Iterable[tuple[str, str]]) -> tuple[Task, ...]:
    """Return t->i and i->t over the evaluated splits that there are; none if no picture is in one."""
    answers: dict[str, dict[str, dict[str, int]]] = {"image": defaultdict(dict), "text": defaultdict(dict)}
    for image_id, text_id in pairs:
        if samples[image_id].split in EVALUATED_SPLITS:
            answers["image"][image_id][text_id] = 1
            answers["text"][text_id][image_id] = 1
    if not answers["image"]:
        return ()
    queries = {
        modality: tuple(Query(i, i, samples[i].split, relevant) for i, relevant in found.items())
        for modality, found in answers.items()
    }
    pools: dict[str, dict[str | None, tuple[str, ...]]] = {
        modality: {split: tuple(i for i in found if samples[i].split == split) for split in EVALUATED_SPLITS}
        for modality, found in answers.items()
    }
    return (
        task_between("t2i", "t2i", "Caption to its picture.", queries["text"], pools["image"]),
        task_between("i2t", "i2t", "Picture to each of its captions.", queries["image"], pools["text"]),
    )


def _split(split: str | None, row: str) -> str:
    if split not in SPLITS:
        raise DataError(f"{row}: the split is {split or 'empty'}", f"it may be {', '.join(SPLITS)}")
    return split


def _refuse_two_minds(captions: Iterable[Caption], unit: str) -> None:
    """Refuse rows of one picture, or of one group, that give different splits, or a picture two groups."""
    first: dict[str, Caption] = {}
    for caption in captions:
        name = getattr(caption, unit)
        before = first.setdefault(name, caption) if name else caption
        for field in ("split", "group") if unit == "picture" else ("split",):
            here, there = getattr(caption, field), getattr(before, field)
            if here != there:
                raise DataError(
                    f"{caption.row}: the {unit} {name} has the {field} {here or 'none'}, and {there or 'none'} in "
                    f"{before.row}",
                    f"give all rows of a {unit} the same {field}",
                )


def _groups(captions: Captions) -> dict[str, str]:
    """Return the group of each picture: given ones, and pictures that look the same, are joined within a split.

    A group is called as it is given, or as its first picture.
    """
    joined: DisjointSet = DisjointSet()
    rows = {caption.picture: caption for caption in captions.rows}
    unit = {name: ("look", captions.pictures[name].look, caption.split) for name, caption in rows.items()}
    for name, caption in rows.items():
        joined.add(unit[name])
        if caption.group:
            joined.add(("group", caption.group))
            joined.merge(unit[name], ("group", caption.group))
    given: dict[object, str] = {}
    first: dict[object, str] = {}
    for name, caption in rows.items():
        root = joined[unit[name]]
        first.setdefault(root, name)
        if caption.group:
            given.setdefault(root, caption.group)
    called = first | given
    if len(set(called.values())) < len(called):
        twice = next(name for name, count in Counter(called.values()).items() if count > 1)
        raise DataError(f"the group {twice} has the name of a picture that is not in it", "give the group another name")
    return {name: called[joined[unit[name]]] for name in rows}


def _splits(
    captions: Captions, groups: Mapping[str, str], seed: int, judged: Mapping[str, str] | None
) -> dict[str, str]:
    """Return the split of each group: the given one, that of the queries that need it, else one that is drawn."""
    if captions.published:
        return {groups[c.picture]: c.split for c in captions.rows if c.split}
    looks: dict[str, set[str]] = defaultdict(set)
    for name, group in groups.items():
        looks[group].add(captions.pictures[name].look)
    splits = assign_splits((Group(group, "", len(seen)) for group, seen in looks.items()), seed)
    if judged is not None:
        for group, seen in looks.items():
            needed = judged.keys() & seen
            if needed:
                splits[group] = furthest_from_training(judged[look] for look in needed)
        return splits
    empty = [split for split in SPLITS if split not in splits.values()]
    if empty:
        units = "groups of pictures" if any(c.group for c in captions.rows) else "different pictures"
        raise DataError(
            f"{len(looks)} {units} are too few to split: nothing is left for {', '.join(empty)}",
            f"give at least {_FEWEST_PICTURES}, or their splits in a column split",
        )
    return splits
