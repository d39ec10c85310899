"""Edits of emoji: two pictures that differ in one attribute, and the words that turn the one into the other."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

from pipeline_core.dataset.sources.emoji.records import EmojiRecord
from pipeline_core.dataset.splits import stable_order

Attribute = Literal["tone", "gender", "direction"]

_GENDER_PHRASES = {
    "man": "as a man",
    "woman": "as a woman",
    "men": "as men",
    "women": "as women",
    "woman and man": "as a woman and a man",
}


@dataclass(frozen=True)
class Edit:
    """From one picture to another by one attribute: ``phrase`` says how, e.g. ``with dark skin tone``."""

    source: EmojiRecord
    target: EmojiRecord
    attribute: Attribute
    phrase: str

    @property
    def edit_id(self) -> str:
        """The source's code and the phrase, which together determine the target."""
        return f"{self.source.code}:{slug(self.phrase)}"


def slug(phrase: str) -> str:
    """Return a phrase as part of an id."""
    return phrase.replace(",", "").replace(" ", "-")


def _tone_phrase(record: EmojiRecord) -> str | None:
    return f"with {record.tone}" if record.tone else None


def _gender_phrase(record: EmojiRecord) -> str | None:
    return _GENDER_PHRASES[record.gender] if record.gender else None


def _direction_phrase(record: EmojiRecord) -> str | None:
    return "facing right" if record.direction else None


def _new_direction(record: EmojiRecord) -> str:
    return _direction_phrase(record) or "facing left"


def attribute_phrases(record: EmojiRecord) -> list[str]:
    """Return the phrases of a picture's attributes: with its keywords, they tell it from its variants."""
    phrases = (_gender_phrase(record), _tone_phrase(record), _direction_phrase(record))
    return [phrase for phrase in phrases if phrase]


# For each attribute: what the two pictures must share, and the phrase that asks for the target's value.
_KINDS: dict[Attribute, tuple[Callable[[EmojiRecord], object], Callable[[EmojiRecord], str | None]]] = {
    "tone": (lambda r: (r.stem, r.gender, r.direction), _tone_phrase),
    "gender": (lambda r: (r.stem, r.tone, r.direction), _gender_phrase),
    "direction": (lambda r: (r.stem, r.tone, r.gender), _new_direction),
}


def one_attribute_edits(records: Iterable[EmojiRecord]) -> list[Edit]:
    """Return every edit of one attribute among the records.

    No edit asks for a neutral gender or for no tone, which CLDR has no words for. Where two people have different
    tones, changing the tone would change two things, so such pictures take part in edits of gender only.
    """
    records = list(records)
    edits = []
    for attribute, (shared, phrase_of) in _KINDS.items():
        alike: dict[object, list[EmojiRecord]] = defaultdict(list)
        for record in records:
            if attribute != "tone" or "," not in (record.tone or ""):
                alike[shared(record)].append(record)
        for members in alike.values():
            for source, target in permutations(members, 2):
                phrase = phrase_of(target)
                if phrase is not None:
                    edits.append(Edit(source, target, attribute, phrase))
    return edits


def sample_edits(edits: Iterable[Edit], limit: int | None, seed: int | str) -> list[Edit]:
    """Return at most ``limit`` edits, each attribute in its share; a smaller sample is contained in a larger one.

    Systematic sampling: each attribute's edits, in random order, are spread evenly over one line, which is cut.
    """
    kinds: dict[Attribute, list[Edit]] = defaultdict(list)
    for edit in sorted(edits, key=lambda e: stable_order(seed, e.edit_id)):
        kinds[edit.attribute].append(edit)
    placed = [((rank + 0.5) / len(kind), edit) for kind in kinds.values() for rank, edit in enumerate(kind)]
    placed.sort(key=lambda item: (item[0], item[1].edit_id))
    return [edit for _, edit in placed[:limit]]
