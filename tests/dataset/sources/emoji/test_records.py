from collections import Counter, defaultdict

import pytest

from pipeline_core.dataset.images import decode, picture_digest
from pipeline_core.dataset.sources.emoji import EmojiSettings
from pipeline_core.dataset.sources.emoji.reading import share_of
from pipeline_core.dataset.sources.emoji.records import TONES, read_emoji_records


@pytest.fixture(scope="module")
def records():
    return read_emoji_records(0)


@pytest.fixture(scope="module")
def by_name(records):
    return {record.name: record for record in records}


def test_counts_of_pictures_with_a_cldr_name(records):
    assert len(records) == 3790
    assert len({record.name for record in records}) == 3790
    assert len({record.code for record in records}) == 3790
    assert sum(record.tone is None for record in records) == 1910
    assert len({record.stem for record in records}) == 1725
    assert len({record.family for record in records}) == 1678


def test_untoned_items_are_split_in_the_stated_shares_of_every_large_category(records):
    items = defaultdict(Counter)
    for record in records:
        if record.tone is None:
            items[record.category][record.split] += 1
    assert len(items) == 10
    for category, counts in items.items():
        if category == "Component":
            continue
        for split, share in {"train": 0.6, "support": 0.1, "validation": 0.1, "test": 0.2}.items():
            assert counts[split] / counts.total() == pytest.approx(share, abs=0.05), (category, split)


def test_no_family_stem_or_base_straddles_two_splits(records):
    for unit in ("family", "stem", "base_code"):
        splits = defaultdict(set)
        for record in records:
            splits[getattr(record, unit)].add(record.split)
        assert max(map(len, splits.values())) == 1, unit


def test_no_picture_is_seen_in_two_splits(records):
    splits = defaultdict(set)
    for record in records:
        splits[picture_digest(decode(record.picture.read_bytes()))].add(record.split)
    assert len(splits) < len(records), "some flags look the same: the test would not see a leak otherwise"
    assert max(map(len, splits.values())) == 1


@pytest.mark.parametrize(
    "names",
    [
        ("man running facing right: dark skin tone", "woman running", "person running"),
        ("person", "man: red hair", "woman: bald", "person: blond hair", "woman: beard", "man: dark skin tone, bald"),
        ("kiss", "kiss: man, man, light skin tone", "kiss: person, person, light skin tone, dark skin tone"),
        ("people holding hands", "women holding hands: light skin tone, dark skin tone", "men holding hands"),
        ("family", "family: man, woman, boy", "family: adult, child"),
        ("handshake", "handshake: dark skin tone", "handshake: light skin tone, dark skin tone"),
        ("prince", "princess: medium skin tone", "person with crown"),
        ("merman", "mermaid", "merperson"),
        ("Santa Claus", "Mrs. Claus", "Mx Claus"),
        ("woman dancing", "man dancing"),
        ("flag: Norway", "flag: Svalbard & Jan Mayen"),
        ("play button", "reverse button"),
    ],
)
def test_variants_share_a_family(by_name, names):
    assert len({by_name[name].family for name in names}) == 1


def test_different_things_do_not_share_a_family(by_name):
    names = ("male sign", "female sign", "right arrow", "flag: Norway", "flag: Iceland", "person", "child", "dog face")
    assert len({by_name[name].family for name in names}) == len(names)


@pytest.mark.parametrize(
    ("name", "tone", "gender", "direction", "base_code"),
    [
        ("waving hand", None, None, None, "1f44b"),
        ("waving hand: light skin tone", "light skin tone", None, None, "1f44b"),
        ("man running", None, "man", None, "1f3c3-200d-2642"),
        ("woman running facing right: dark skin tone", "dark skin tone", "woman", "right", "1f3c3-200d-2640-200d-27a1"),
        ("women wrestling", None, "women", None, "1f93c-200d-2640"),
        ("kiss: man, man", None, "men", None, "1f468-200d-2764-200d-1f48b-200d-1f468"),
        ("woman and man holding hands", None, "woman and man", None, "1f46b"),
        (
            "men holding hands: medium skin tone, light skin tone",
            "medium skin tone, light skin tone",
            "men",
            None,
            "1f46c",
        ),
        ("male sign", None, None, None, "2642"),
        ("right arrow", None, None, None, "27a1"),
        ("health worker", None, None, None, "1f9d1-200d-2695"),
    ],
)
def test_attributes(by_name, name, tone, gender, direction, base_code):
    record = by_name[name]
    assert (record.tone, record.gender, record.direction, record.base_code) == (tone, gender, direction, base_code)


def test_stem_and_attributes_tell_every_record_apart(records):
    told = Counter((record.stem, record.tone, record.gender, record.direction) for record in records)
    assert max(told.values()) == 1


def test_tones_agree_with_names(records):
    for record in records:
        for tone in (record.tone or "").split(", "):
            assert tone in record.name
        assert (record.tone is None) == (not any(tone in record.name for tone in TONES.values()))


def test_variants_inherit_keywords(by_name):
    wave = by_name["waving hand"].keywords
    assert "hello" in wave
    assert by_name["waving hand: dark skin tone"].keywords == wave
    assert by_name["woman running facing right"].keywords == by_name["person running"].keywords
    assert by_name["victory hand"].keywords, "CLDR keeps these on the unqualified code"


def test_pictures_are_72_pixels_wide(by_name):
    assert decode(by_name["waving hand"].picture.read_bytes()).size == (72, 72)


def test_a_seed_redraws_support_and_validation_only(records):
    moved = Counter()
    for one, other in zip(records, read_emoji_records(1), strict=True):
        assert one.code == other.code
        if one.split != other.split:
            moved[one.split, other.split] += 1
    assert set(moved) == {("support", "validation"), ("validation", "support")}


def test_a_share_is_of_the_families_of_each_split(records):
    taken = share_of(records, 0.2)
    for split in ("train", "support", "validation", "test"):
        whole, part = ({r.family for r in some if r.split == split} for some in (records, taken))
        assert len(part) == pytest.approx(0.2 * len(whole), abs=1)
        assert {r.code for r in taken if r.split == split} == {r.code for r in records if r.family in part}
    assert {r.family for r in share_of(records, 0.1)} < {r.family for r in taken}
    assert share_of(records, 1.0) == records


def test_a_share_keeps_its_test_pictures_under_another_seed(records):
    kept, others = (
        {r.code for r in share_of(some, 0.2) if r.split in ("train", "test")}
        for some in (records, read_emoji_records(1))
    )
    assert kept == others


def test_a_share_is_told():
    assert EmojiSettings().label == "emoji"
    assert EmojiSettings(families=0.2).label == "emoji (20% of its families)"
