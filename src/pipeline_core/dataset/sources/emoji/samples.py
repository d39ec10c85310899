"""The samples of emoji: each is made when a task first asks for it, so that nothing is embedded in vain."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline_core.dataset.screening import Picture
from pipeline_core.dataset.sources.emoji.edits import Edit, attribute_phrases, slug
from pipeline_core.dataset.sources.emoji.records import EmojiRecord
from pipeline_core.dataset.tasks import Sample


class EmojiSamples:
    """Makes samples of records and edits; methods return sample ids."""

    def __init__(self, records: Iterable[EmojiRecord], pictures: Mapping[Path, Picture]) -> None:
        """Take all records of the data set, and their pictures by file."""
        self.made: dict[str, Sample] = {}
        self._pictures = pictures
        self._names: dict[str, set[str]] = defaultdict(set)
        for record in records:
            self._names[record.stem].add(record.name.casefold())
        self._keywords_ids: dict[tuple[str, str], str] = {}

    def look(self, record: EmojiRecord) -> str:
        """Return the digest of what is seen in a record's picture."""
        return self._pictures[record.picture].look

    def image(self, record: EmojiRecord) -> str:
        """Return the sample of a picture."""
        return self._add(f"image:{record.code}", None, record, with_picture=True)

    def name(self, record: EmojiRecord) -> str:
        """Return the sample of a name."""
        return self._add(f"name:{record.code}", record.name, record)

    def item(self, record: EmojiRecord) -> str:
        """Return the sample of a picture with its name."""
        return self._add(f"item:{record.code}", record.name, record, with_picture=True)

    def keywords(self, record: EmojiRecord) -> str | None:
        """Return the sample of a record's keywords, one for all of a split that share them; None without any."""
        text = self._keywords_text(record)
        if not text:
            return None
        known = self._keywords_ids.setdefault((record.split, text), f"keywords:{record.code}")
        return known if known in self.made else self._add(known, text, record)

    def description(self, record: EmojiRecord) -> str | None:
        """Return the sample of keywords and attributes, which tell variants apart; None without keywords."""
        text = self._keywords_text(record)
        if not text:
            return None
        return self._add(f"description:{record.code}", ", ".join([text, *attribute_phrases(record)]), record)

    def edit(self, edit: Edit) -> str:
        """Return the composed sample: the source's picture with the phrase."""
        return self._add(f"edit:{edit.edit_id}", edit.phrase, edit.source, with_picture=True)

    def phrase(self, edit: Edit) -> str:
        """Return the sample of an edit's phrase alone, one for each split: no group may straddle two."""
        split = edit.source.split
        sample_id = f"phrase:{split}:{slug(edit.phrase)}"
        self.made.setdefault(sample_id, Sample(sample_id, edit.phrase, None, f"phrase:{split}", split))
        return sample_id

    def _keywords_text(self, record: EmojiRecord) -> str:
        """Join the keywords but for the names of the emoji and of its variants, which would give the answer away."""
        return ", ".join(k for k in record.keywords if k.casefold() not in self._names[record.stem])

    def _add(self, sample_id: str, text: str | None, record: EmojiRecord, *, with_picture: bool = False) -> str:
        picture = self._pictures[record.picture] if with_picture else None
        self.made.setdefault(sample_id, Sample(sample_id, text, picture, record.family, record.split))
        return sample_id
