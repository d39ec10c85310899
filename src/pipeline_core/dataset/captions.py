"""Pictures with captions of any source: screened, split by group, and asked for in both directions."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from scipy.cluster.hierarchy import DisjointSet

from pipeline_core.dataset.places import Place
from pipeline_core.dataset.screening import Picture, Row, screen
from pipeline_core.dataset.settings import CaptionedSettings, FolderedSettings
from pipeline_core.dataset.splits import SPLITS, Group, assign_splits, furthest_from_training, stable_order
from pipeline_core.dataset.tables import Dataset
from pipeline_core.dataset.tasks import EVALUATED_SPLITS, Query, Sample, Task, judge_equal_content_equally, task_between
from pipeline_core.errors import DataError

_FEWEST_PICTURES = 18
_FEWEST_SUPPORT = 2
"""Pictures that statistics can be fitted on."""
_SPLIT_NAMES = {"train": "train", "support": "support", "test": "test"} | dict.fromkeys(
    ("validation", "val", "valid", "dev"), "validation"
)


@dataclass(frozen=True, slots=True)
class Caption:
    """One row: a picture and a text.

    Attributes:
        row: where it is.
        picture: what the picture is called, the same in every row that has it.
        place: where the picture is.
        text: the text.
        split: its split, if the rows give it.
        group: what must share a split, if the rows say.
        text_name: what the text is called, where several pictures share one.
        fault: why the row is none.
    """

    row: str
    picture: str
    place: Place
    text: str
    split: str | None = None
    group: str | None = None
    text_name: str | None = None
    fault: str | None = None


@dataclass(frozen=True)
class Captions:
    """The rows that can be used, their pictures by name, and (row, reason) of the others."""

    rows: tuple[Caption, ...]
    pictures: Mapping[str, Picture]
    quarantine: tuple[tuple[str, str], ...]

    @property
    def published(self) -> bool:
        """Whether the rows give their splits."""
        return any(caption.split for caption in self.rows)


def screen_captions(captions: Iterable[Caption], max_share: float) -> Captions:
    """Separate the rows that can be used; the same caption twice on one picture is a duplicate.

    Raises:
        DataError: too many rows are bad.
    """
    by_key: dict[str, Caption] = {}

    def rows_read() -> Iterator[Row]:
        for caption in captions:
            key = json.dumps([caption.picture, caption.text])
            if not caption.fault:
                by_key.setdefault(key, caption)
            yield Row(caption.row, key, caption.place, caption.text, caption.fault)

    screening = screen(rows_read(), max_share)
    rows = tuple(by_key[row.key] for row in screening.rows)
    return Captions(rows, {c.picture: screening.pictures[c.place] for c in rows}, screening.quarantine)


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
        image_id, text_id = image_sample(name), f"text:{caption.text_name or f'{name}#{counts[name]}'}"
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
        if len({c.picture for c in captions.rows if c.split == "support"}) == 1:
            raise DataError("the split support has one picture", f"give it {_FEWEST_SUPPORT} or more, or none")
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
    left = {split: sum(splits[group] == split for group in groups.values()) for split in SPLITS}
    few = [split for split in SPLITS if left[split] < (_FEWEST_SUPPORT if split == "support" else 1)]
    if few:
        units = "groups of pictures" if any(c.group for c in captions.rows) else "different pictures"
        raise DataError(
            f"{len(looks)} {units} are too few to split: too little is left for {', '.join(few)}",
            f"give more, at least {_FEWEST_PICTURES}, or their splits in a column split",
        )
    return splits


def captioned_data(root: Path, captions: Iterable[Caption], settings: CaptionedSettings) -> Dataset:
    """Return captioned pictures as a data set: with their own splits, support set aside from train, or split by hash.

    Args:
        root: folder that places are below.
        captions: all rows.
        settings: how they are split.

    Raises:
        DataError: some rows have a split and others none, too many are bad, there are too few pictures to split, or
            nothing is asked.
    """
    rows = _all_or_none_split(captions, root)
    screened = support_set_aside(screen_captions(rows, settings.max_quarantine_share), settings, root)
    samples, pairs = caption_samples(screened, settings.seed)
    tasks = tuple(
        judge_equal_content_equally(task, samples, asks_all=settings.asks_all) for task in caption_tasks(samples, pairs)
    )
    if not tasks:
        raise DataError(f"the data set {root} asks nothing: all is in the split train", "set dataset.splits=drawn")
    return Dataset(tuple(samples.values()), pairs, tasks, screened.quarantine, root, published=screened.published)


def split_of(name: str, splits: str) -> str | None:
    """Return the split that a file or folder of pictures is of by its name, e.g. ``train-00000-of-00002``.

    Args:
        name: its name.
        splits: the setting: ``own`` reads the name, ``drawn`` gives none, ``test`` is test.
    """
    if splits != "own":
        return None if splits == "drawn" else splits
    return _SPLIT_NAMES.get(re.split(r"[-_.]", name.lower())[0])


def _all_or_none_split(captions: Iterable[Caption], root: Path) -> list[Caption]:
    rows = list(captions)
    without = next((row for row in rows if row.split is None), None)
    if without and any(row.split for row in rows):
        raise DataError(
            f"{root}: {without.row} is of no split, and others are", "name all by their splits, or set dataset.splits"
        )
    return rows


def support_set_aside(captions: Captions, settings: FolderedSettings, root: Path) -> Captions:
    """Return captions with some groups, texts or looks of an own train split, at most half, as support.

    Args:
        captions: rows that can be used.
        settings: how many; of captions that have a support split, or no own splits, none.
        root: the folder, for what is wrong.

    Raises:
        DataError: support is asked for, and there is no train split to set it aside from.
    """

    def unit(caption: Caption) -> str:
        return caption.group or caption.text_name or captions.pictures[caption.picture].look

    there = {caption.split for caption in captions.rows}
    if there <= {None} or "support" in there:
        return captions
    units = sorted({unit(c) for c in captions.rows if c.split == "train"}, key=lambda u: stable_order("support", u))
    apart = set(units[: min(settings.most_support, len(units) // 2)])
    if len({c.picture for c in captions.rows if c.split == "train" and unit(c) in apart}) < _FEWEST_SUPPORT:
        apart = set()
    settings.refuse_without_support(bool(apart), f"the data set {root}")
    rows = (replace(c, split="support") if c.split == "train" and unit(c) in apart else c for c in captions.rows)
    return replace(captions, rows=tuple(rows))
