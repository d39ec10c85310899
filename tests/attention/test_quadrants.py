"""The quadrant control: where art is pasted, how shares are split, and who is whose control."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline_core.activations.plan import Request
from pipeline_core.attention.quadrants import BLOCK, QUADRANTS, compare, paste, place, quadrant_shares


def requests(count: int) -> list[Request]:
    return [Request(f"s{n:03d}", "p", "image", None, "Summarize:", "ref", f"{n}", "test") for n in range(count)]


@given(st.integers(0, 70), st.integers(0, 5))
def test_blocks_hold_every_quadrant_twice(count: int, seed: int) -> None:
    placed = place(requests(count), seed)
    assert len(placed) == count // BLOCK * BLOCK
    assert len({one.request.sample_id for one in placed}) == len(placed)
    assert [one.quadrant for one in placed] == [*QUADRANTS] * (len(placed) // 4)


@given(st.integers(1, 4), st.integers(0, 5))
def test_controls_are_means_over_four_others_with_their_art_in_each_quadrant(n_blocks: int, seed: int) -> None:
    shares = np.random.default_rng(seed).dirichlet(np.ones(4), (n_blocks * BLOCK, 3, 2))
    placed = place(requests(len(shares)), seed)
    mass, control = compare(shares)
    served: Counter[int] = Counter()
    for position, one in enumerate(placed):
        quadrant = QUADRANTS.index(one.quadrant)
        start = position // BLOCK * BLOCK
        others = [n for n in range(start, start + BLOCK) if (n - start) // 4 != (position - start) // 4]
        assert {placed[n].quadrant for n in others} == set(QUADRANTS)
        served.update(others)
        np.testing.assert_array_equal(mass[position], shares[position, ..., quadrant])
        np.testing.assert_allclose(control[position], sum(shares[n, ..., quadrant] for n in others) / 4)
    assert set(served.values()) == {4}
    np.testing.assert_allclose(control.mean(axis=0), 0.25)


@pytest.mark.parametrize("cell", range(4))
def test_a_fixed_habit_is_its_own_control(cell: int) -> None:
    mass, control = compare(np.tile(np.eye(4)[cell], (2 * BLOCK, 1)))
    np.testing.assert_array_equal(mass, control)
    assert mass.mean() == 0.25


def test_attention_that_follows_the_art_leaves_its_control_at_chance() -> None:
    mass, control = compare(np.tile(np.eye(4), (2 * BLOCK // 4, 1)))
    assert (mass == 1.0).all()
    assert (control == 0.25).all()


def test_what_is_lost_for_one_picture_is_lost_for_its_block() -> None:
    shares = np.full((3 * BLOCK, 2, 4), 0.25)
    shares[BLOCK + 5, 1] = np.nan
    for found in compare(shares):
        lost = np.isnan(found)
        assert lost[BLOCK : 2 * BLOCK, 1].all()
        assert lost.sum() == BLOCK


def test_the_deal_follows_the_seed() -> None:
    assert place(requests(24), 0) == place(requests(24), 0)
    assert place(requests(24), 0) != place(requests(24), 1)


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
    found = quadrant_shares(cells.reshape(1, -1), grid_h, grid_w)
    np.testing.assert_allclose(found, [[quarter.sum() for quarter in quarters]], atol=1e-12)


def test_the_middle_of_an_odd_grid_belongs_to_all() -> None:
    middle = np.zeros((1, 15))
    middle[0, 7] = 0.3
    np.testing.assert_allclose(quadrant_shares(middle, 3, 5), [[0.25] * 4])


def test_without_attention_there_is_no_share() -> None:
    found = quadrant_shares(np.array([[0.0, 0.0, 0.0, 0.0], [0.0, 0.2, 0.0, 0.0]]), 2, 2)
    np.testing.assert_array_equal(found, [[np.nan] * 4, [0.0, 1.0, 0.0, 0.0]])
