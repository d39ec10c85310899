from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_core.dataset.sources.emoji.edits import attribute_phrases, one_attribute_edits, sample_edits
from pipeline_core.dataset.sources.emoji.records import read_emoji_records


@pytest.fixture(scope="module")
def edits():
    return one_attribute_edits(read_emoji_records(0))


@pytest.fixture(scope="module")
def edits_of_test(edits):
    return [edit for edit in edits if edit.source.split == "test"]


def test_exactly_the_named_attribute_changes(edits):
    for edit in edits:
        assert edit.source.stem == edit.target.stem
        changed = {
            attribute
            for attribute in ("tone", "gender", "direction")
            if getattr(edit.source, attribute) != getattr(edit.target, attribute)
        }
        assert changed == {edit.attribute}


def test_tones_of_two_people_are_not_edited(edits):
    for edit in edits:
        if edit.attribute == "tone":
            assert "," not in (edit.source.tone or "") + edit.target.tone


def test_source_and_phrase_determine_the_target(edits):
    assert len({edit.edit_id for edit in edits}) == len(edits)


def test_phrases_say_what_the_target_is(edits):
    phrases = {(edit.source.name, edit.target.name): edit.phrase for edit in edits}
    assert phrases["waving hand", "waving hand: dark skin tone"] == "with dark skin tone"
    assert phrases["person running", "woman running"] == "as a woman"
    assert phrases["people wrestling", "men wrestling"] == "as men"
    assert phrases["man running", "man running facing right"] == "facing right"
    assert phrases["man running facing right", "man running"] == "facing left"
    assert ("woman running", "person running") not in phrases
    assert ("waving hand: dark skin tone", "waving hand") not in phrases


def test_attribute_phrases_tell_variants_apart(edits):
    targets = {edit.target.code: edit.target for edit in edits}.values()
    told = Counter((record.stem, *attribute_phrases(record)) for record in targets)
    assert max(told.values()) == 1


@settings(max_examples=20)
@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 3))
def test_a_smaller_sample_is_part_of_a_larger_one(edits_of_test, one, other, seed):
    few, many = sorted((one, other))
    sampled = sample_edits(edits_of_test, many, seed)
    assert len(sampled) == many
    assert sample_edits(edits_of_test, few, seed) == sampled[:few]


@settings(max_examples=20)
@given(st.integers(1, 2000), st.integers(0, 3))
def test_each_attribute_keeps_its_share(edits_of_test, limit, seed):
    shares = Counter(edit.attribute for edit in edits_of_test)
    sampled = Counter(edit.attribute for edit in sample_edits(edits_of_test, limit, seed))
    for attribute, count in shares.items():
        assert abs(sampled[attribute] - limit * count / len(edits_of_test)) <= 1.5


def test_no_limit_takes_all_and_a_seed_takes_others(edits_of_test):
    assert sorted(e.edit_id for e in sample_edits(edits_of_test, None, 0)) == sorted(e.edit_id for e in edits_of_test)
    assert set(sample_edits(edits_of_test, 100, 0)) != set(sample_edits(edits_of_test, 100, 1))
