import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from numba.core.errors import TypingError

from pipeline_core.masks import LANES, above, count, largest_sum, lowest, reaching, without_lowest


@njit
def every_mask(numbers, limit):
    starts = range(0, len(numbers), LANES)
    return [(above(numbers, start, limit), reaching(numbers, start, limit)) for start in starts]


@njit
def places(mask):
    found = []
    while mask:
        found.append(lowest(mask))
        mask = without_lowest(mask)
    return found


@njit
def how_many(mask):
    return count(mask)


@njit
def add_and_find(numbers, others, sums, start):
    return largest_sum(numbers, others, sums, start)


NUMBERS = st.floats(width=32) | st.sampled_from([0.0, -0.0, 1.0])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@given(st.lists(NUMBERS, min_size=1, max_size=3 * LANES + 5), NUMBERS)
def test_a_mask_tells_what_comparisons_one_at_a_time_tell(kind: type[np.floating], numbers: list[float], limit: float):
    given_numbers, given_limit = np.array(numbers, dtype=kind), kind(limit)
    found = every_mask(given_numbers, given_limit)
    for which, compared in enumerate((given_numbers > given_limit, given_numbers >= given_limit)):
        bits = [bool(int(masks[which]) >> i & 1) for masks in found for i in range(LANES)]
        assert bits[: len(numbers)] == compared.tolist()
        assert not any(bits[len(numbers) :])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@given(st.integers(0, 9), st.lists(st.tuples(NUMBERS, NUMBERS), min_size=LANES + 9, max_size=LANES + 9))
def test_sums_are_written_and_the_largest_is_told(
    kind: type[np.floating], start: int, pairs: list[tuple[float, float]]
):
    numbers, others = np.array(pairs, dtype=kind).T.copy()
    before, sums, added = numbers.copy(), np.full_like(numbers, 7), slice(start, start + LANES)
    expected = sums.copy()
    with np.errstate(all="ignore"):
        expected[added] = numbers[added] + others[added]
    largest = add_and_find(numbers, others, sums, start)
    np.testing.assert_array_equal(sums, expected)
    np.testing.assert_array_equal(numbers, before)
    known = expected[added][~np.isnan(expected[added])]
    assert largest == max(known, default=-np.inf)


@pytest.mark.parametrize("others", [np.zeros(2 * LANES, np.float32)[::2], np.zeros(LANES)], ids=["apart", "wider"])
def test_numbers_that_do_not_lie_side_by_side_are_refused(others: np.ndarray):
    with pytest.raises(TypingError, match="not of one kind"):
        add_and_find(np.zeros(LANES, np.float32), others, np.zeros(LANES, np.float32), 0)
    with pytest.raises(TypingError, match="not of one kind"):
        add_and_find(np.zeros(LANES, np.float32), np.zeros(LANES, np.float32), others, 0)


@pytest.mark.parametrize("mask", [1, 0b1010, 1 << 31, 0xFFFFFFFF, 0x80000001])
def test_bits_are_counted_and_found_lowest_first(mask: int):
    expected = [i for i in range(LANES) if mask >> i & 1]
    assert places(np.uint32(mask)) == expected
    assert how_many(np.uint32(mask)) == len(expected)
    assert how_many(np.uint32(0)) == 0
