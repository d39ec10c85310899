"""Attention to image tokens painted over their picture."""

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from PIL import Image

from pipeline_core.models.grids import WHOLE, Region

_COLOURS = "YlOrRd"
_OPACITY = 0.8


def paint(
    weights: npt.ArrayLike, grid_h: int, grid_w: int, width: int, height: int, region: Region = WHOLE
) -> npt.NDArray[np.float64]:
    """Return a float image [height, width]: at each pixel the weight of the cell that its centre lies in.

    Cells are drawn as blocks, since nothing is known at a finer scale.

    Args:
        weights: one weight a cell, row by row.
        grid_h: rows of the grid.
        grid_w: columns of the grid.
        width: width of the picture, pixels.
        height: height of the picture, pixels.
        region: part of the picture that the grid covers; pixels outside get 0.

    Raises:
        ValueError: there are not grid_h x grid_w weights.
    """
    left, top, right, bottom = region
    cells = np.pad(np.asarray(weights, dtype=np.float64).reshape(grid_h, grid_w), 1)
    painted: npt.NDArray[np.float64] = cells[
        np.ix_(_cells(height, top, bottom, grid_h), _cells(width, left, right, grid_w))
    ]
    return painted


def heat_overlay(
    picture: Image.Image, weights: npt.ArrayLike, grid_h: int, grid_w: int, region: Region = WHOLE
) -> Image.Image:
    """Return the picture in RGB under its heat map, which is opaque at the highest weight and transparent at 0.

    Args:
        picture: the picture that the model was shown.
        weights: attention to each image token, row by row.
        grid_h: rows of image tokens.
        grid_w: columns of image tokens.
        region: part of the picture that the grid covers.

    Raises:
        ValueError: there are not grid_h x grid_w weights.
    """
    heat = paint(weights, grid_h, grid_w, *picture.size, region)
    strength = heat / max(heat.max(), np.finfo(np.float64).tiny)
    opacity = _OPACITY * strength[..., None]
    colours = 255.0 * colormaps[_COLOURS](strength)[..., :3]
    blended = (1.0 - opacity) * np.asarray(picture.convert("RGB")) + opacity * colours
    return Image.fromarray(blended.round().astype(np.uint8))


def _cells(length: int, start: float, end: float, n_cells: int) -> npt.NDArray[np.intp]:
    """Return each pixel's cell along one side, counted from 1; 0 and n_cells + 1 lie outside."""
    centres = (np.arange(length) + 0.5) / length
    cells: npt.NDArray[np.intp] = np.floor((centres - start) / (end - start) * n_cells).astype(np.intp)
    return cells.clip(-1, n_cells) + 1
