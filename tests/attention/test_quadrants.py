"""The quadrant control: where art is pasted, how shares are split, and who is whose control."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline_core.activations.plan import Item
from pipeline_core.attention.quadrants import QUADRANTS, paste, place, quadrant_share


def items(count: int) -> list[Item]:
    return [Item(f"s{n:03d}", "p", "image", None, "Summarize:", "ref", f"{n}", "test") for n in range(count)]


@given(st.integers(0, 70), st.integers(0, 5))
def test_controls_are_a_derangement_of_pictures_with_art_elsewhere(count: int, seed: int) -> None:
    placed = place(items(count), seed)
    assert len(placed) == count // 4 * 4
    assert len({one.item.sample_id for one in placed}) == len(placed)
    assert set(Counter(one.quadrant for one in placed).values()) <= {count // 4}
    assert sorted(one.control for one in placed) == list(range(len(placed)))
    for position, one in enumerate(placed):
        assert one.control != position
        assert placed[one.control].quadrant != one.quadrant


def test_every_two_quadrants_are_compared_alike() -> None:
    placed = place(items(48), 0)
    pairs = Counter((one.quadrant, placed[one.control].quadrant) for one in placed)
    assert pairs == {(one, other): 4 for one in QUADRANTS for other in QUADRANTS if one != other}


def test_the_deal_follows_the_seed() -> None:
    assert place(items(24), 0) == place(items(24), 0)
    assert place(items(24), 0) != place(items(24), 1)


@pytest.mark.parametrize("quadrant", QUADRANTS)
@given(size=st.tuples(st.integers(2, 41), st.integers(2, 41)))
def test_art_lies_in_its_quadrant_at_half_size(quadrant: str, size: tuple[int, int]) -> None:
    page = paste(Image.new("RGB", size, "black"), quadrant)
    side = max(size)
    assert page.size == (side, side)
    inked = np.asarray(page.convert("L")) < 255
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    assert (len(columns), len(rows)) == (size[0] // 2, size[1] // 2)
    assert inked.sum() == len(rows) * len(columns)
    middle = side / 2
    assert rows[-1] + 1 <= middle if quadrant.startswith("upper") else rows[0] >= middle
    assert columns[-1] + 1 <= middle if quadrant.endswith("left") else columns[0] >= middle


@pytest.mark.parametrize("second", [0, 1])
def test_art_lies_in_the_middle_of_its_quadrant(second: int) -> None:
    page = paste(Image.new("RGB", (80, 40), "black"), QUADRANTS[3 * second])
    inked = np.asarray(page.convert("L")) < 255
    assert (np.flatnonzero(inked.any(axis=1)) == np.arange(10, 30) + 40 * second).all()


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 3))
def test_shares_are_areas_of_a_grid_twice_as_fine(grid_h: int, grid_w: int, seed: int) -> None:
    cells = np.random.default_rng(seed).random((grid_h, grid_w))
    fine = np.kron(cells, np.full((2, 2), 0.25)) / cells.sum()
    quarters = [fine[:grid_h, :grid_w], fine[:grid_h, grid_w:], fine[grid_h:, :grid_w], fine[grid_h:, grid_w:]]
    for quadrant, expected in zip(QUADRANTS, quarters, strict=True):
        found = quadrant_share(cells.reshape(1, -1), grid_h, grid_w, quadrant)
        np.testing.assert_allclose(found, [expected.sum()], atol=1e-12)


def test_the_middle_of_an_odd_grid_belongs_to_all() -> None:
    middle = np.zeros((1, 15))
    middle[0, 7] = 0.3
    assert [quadrant_share(middle, 3, 5, quadrant).item() for quadrant in QUADRANTS] == [0.25] * 4


def test_without_attention_there_is_no_share() -> None:
    found = quadrant_share(np.array([[0.0, 0.0, 0.0, 0.0], [0.0, 0.2, 0.0, 0.0]]), 2, 2, "upper_right")
    np.testing.assert_array_equal(found, [np.nan, 1.0])
