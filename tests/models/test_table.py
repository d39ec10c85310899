"""The page of what families were measured to hold shows all of them, and nothing that is wrong."""

import numpy as np
import pytest

from tests.models.table import BOUNDS, PAGE, below
from tests.models.tiny_duals import DUAL
from tests.models.tiny_embedders import EMBEDDERS
from tests.models.tiny_generative import GENERATIVE


def test_the_page_shows_every_tiny_model() -> None:
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    shown = {(row[0], row[1]): row[3:5] for row in rows[2:]}
    assert list(shown) == [(made.family, name) for name, made in (GENERATIVE | EMBEDDERS | DUAL).items()]
    assert {figure for figures in shown.values() for figure in figures} <= BOUNDS.keys()
    assert "wrong" not in str(rows)


@pytest.mark.parametrize(
    ("difference", "shown"), [(0, "< 1e-5"), (9e-6, "< 1e-5"), (1e-5, "< 1e-4"), (2e-4, "2e-04"), (3, "3e+00")]
)
def test_a_figure_is_what_the_largest_difference_stays_below(difference: float, shown: str) -> None:
    zero = np.zeros(2)
    assert below([(zero, zero), (zero, np.array([0, -difference]))]) == shown
