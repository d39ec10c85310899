"""Emoji read as a data set: the records that can be shown, the edits drawn of them, their tasks and samples."""

import math
from collections.abc import Sequence

from pipeline_core.dataset.places import Place
from pipeline_core.dataset.screening import Row, screen
from pipeline_core.dataset.sources.emoji import EmojiSettings
from pipeline_core.dataset.sources.emoji.edits import Edit, one_attribute_edits, sample_edits
from pipeline_core.dataset.sources.emoji.records import EmojiRecord, read_emoji_records
from pipeline_core.dataset.sources.emoji.samples import EmojiSamples
from pipeline_core.dataset.sources.emoji.tasks import edit_tasks, plain_tasks
from pipeline_core.dataset.splits import stable_order
from pipeline_core.dataset.tables import Dataset
from pipeline_core.dataset.tasks import EVALUATED_SPLITS

_TEST_SEED = "test"
_TAKEN_SEED = "taken"


def read_emoji(settings: EmojiSettings) -> Dataset:
    """Return the data set.

    Samples of the train split are pictures without tone and their names: keywords serve tasks, and train has none.

    Raises:
        ModelError: a package that carries names or art is not installed.
        DataError: too many rows are bad.
    """
    by_code = {record.code: record for record in share_of(read_emoji_records(settings.seed), settings.families)}
    screening = screen(
        (Row(f"{r.code} ({r.name})", r.code, Place(r.picture), r.name) for r in by_code.values()),
        settings.max_quarantine_share,
    )
    records = [by_code[row.key] for row in screening.rows]
    samples = EmojiSamples(records, {place.file: picture for place, picture in screening.pictures.items()})
    untoned = [record for record in records if record.tone is None]
    pairs = tuple((samples.image(record), samples.name(record)) for record in untoned)
    edits = _drawn_edits(samples, records, settings)
    asks_all = settings.asks_all
    tasks = plain_tasks(samples, records, asks_all=asks_all) + edit_tasks(samples, records, edits, asks_all=asks_all)
    return Dataset(tuple(samples.made.values()), pairs, tuple(tasks), screening.quarantine, root=None)


def share_of(records: Sequence[EmojiRecord], share: float) -> list[EmojiRecord]:
    """Return the records of a share of the families of each split, whichever seed drew the splits."""
    taken: set[str] = set()
    for split in {record.split for record in records}:
        families = {record.family for record in records if record.split == split}
        ordered = sorted(families, key=lambda family: stable_order(_TAKEN_SEED, family))
        taken.update(ordered[: math.ceil(share * len(ordered))])
    return [record for record in records if record.family in taken]


def _drawn_edits(samples: EmojiSamples, records: Sequence[EmojiRecord], settings: EmojiSettings) -> list[Edit]:
    """Draw the edits of each split; those of the test split are the same for every seed, as its pictures are."""
    limits: dict[str, tuple[int | None, int | str]] = {
        "support": (settings.max_edits_support, settings.seed),
        "validation": (settings.max_edits_validation, settings.seed),
        "test": (settings.max_edits, _TEST_SEED),
    }
    drawn: list[Edit] = []
    for split in EVALUATED_SPLITS:
        edits = one_attribute_edits(record for record in records if record.split == split)
        visible = [edit for edit in edits if samples.look(edit.source) != samples.look(edit.target)]
        limit, seed = limits[split]
        drawn += sample_edits(visible, limit, seed)
    return drawn
