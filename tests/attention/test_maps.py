"""Maps: each weight on its own cell, for every grid and picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline_core.attention.maps import heat_overlay, paint

SIDES = st.integers(1, 12)
LENGTHS = st.integers(1, 60)


@given(SIDES, SIDES, LENGTHS, LENGTHS, st.data())
def test_a_weight_is_painted_on_its_cell_and_nowhere_else(
    grid_h: int, grid_w: int, width: int, height: int, data: st.DataObject
) -> None:
    row, column = data.draw(st.integers(0, grid_h - 1)), data.draw(st.integers(0, grid_w - 1))
    weights = np.zeros(grid_h * grid_w)
    weights[row * grid_w + column] = 1.0
    painted = paint(weights, grid_h, grid_w, width, height)
    assert painted.shape == (height, width)
    for y in range(height):
        for x in range(width):
            # In whole numbers: the centre (2 x + 1) / (2 width) lies between column / grid_w and the next.
            inside = 2 * width * column <= (2 * x + 1) * grid_w < 2 * width * (column + 1) and (
                2 * height * row <= (2 * y + 1) * grid_h < 2 * height * (row + 1)
            )
            # A centre on the edge of two cells may fall to either by rounding.
            on_edge = ((2 * x + 1) * grid_w) % (2 * width) == 0 or ((2 * y + 1) * grid_h) % (2 * height) == 0
            assert painted[y, x] == float(inside) or on_edge


@given(SIDES, SIDES, st.integers(1, 4))
def test_cells_are_blocks_where_they_divide_the_picture(grid_h: int, grid_w: int, scale: int) -> None:
    weights = np.random.default_rng(0).random((grid_h, grid_w))
    painted = paint(weights.ravel(), grid_h, grid_w, grid_w * scale, grid_h * scale)
    np.testing.assert_array_equal(painted, np.kron(weights, np.ones((scale, scale))))


def test_what_was_cropped_away_gets_nothing() -> None:
    painted = paint([1.0, 2.0], 1, 2, 8, 2, (0.25, 0.0, 0.75, 1.0))
    np.testing.assert_array_equal(painted, [[0, 0, 1, 1, 2, 2, 0, 0]] * 2)


def test_cells_over_padding_are_cut_off() -> None:
    painted = paint(np.arange(16.0), 4, 4, 4, 2, (0.0, -0.5, 1.0, 1.5))
    np.testing.assert_array_equal(painted, [[4, 5, 6, 7], [8, 9, 10, 11]])


def test_weights_of_another_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="reshape"):
        paint(np.zeros(5), 2, 2, 8, 8)


def test_the_overlay_hides_the_picture_the_more_the_higher_the_weight() -> None:
    picture = Image.new("RGB", (30, 10), (10, 20, 200))
    overlay = heat_overlay(picture, [0.0, 0.1, 0.2], 1, 3)
    assert (overlay.mode, overlay.size) == ("RGB", picture.size)
    distance = np.abs(np.asarray(overlay).astype(int) - np.asarray(picture)).sum(axis=2)
    assert not distance[:, :10].any()
    assert 0 < distance[:, 10:20].min() <= distance[:, 10:20].max() < distance[:, 20:].min()


def test_the_overlay_does_not_depend_on_the_scale_of_the_weights() -> None:
    picture = Image.radial_gradient("L")
    one, other = (heat_overlay(picture, scale * np.arange(6.0), 2, 3) for scale in (1.0, 1e-6))
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_without_weights_the_picture_stays_as_it_is() -> None:
    picture = Image.radial_gradient("L").convert("RGB")
    np.testing.assert_array_equal(np.asarray(heat_overlay(picture, np.zeros(4), 2, 2)), np.asarray(picture))
