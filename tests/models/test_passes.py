"""Samples go through the model in passes of so many tokens, in their order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.models.tokens import passes


@given(lengths=st.lists(st.integers(1, 50), max_size=30), most=st.integers(1, 200))
def test_passes_hold_as_many_samples_as_their_tokens_allow(lengths: list[int], most: int) -> None:
    found = passes(lengths, most)
    assert [length for own in found for length in lengths[own]] == lengths
    for own in found:
        n = own.stop - own.start
        assert n == 1 or n * max(lengths[own]) <= most
        if own.stop < len(lengths):
            assert (n + 1) * max(lengths[own.start : own.stop + 1]) > most


@pytest.mark.parametrize(
    ("lengths", "most", "expected"),
    [([], 8, []), ([9], 8, [1]), ([4, 4, 4], 8, [2, 1]), ([1, 8, 1, 1], 8, [1, 1, 2]), ([3, 3, 3], None, [3])],
)
def test_padding_counts_and_a_long_sample_goes_alone(lengths: list[int], most: int | None, expected: list[int]) -> None:
    assert [own.stop - own.start for own in passes(lengths, most)] == expected
