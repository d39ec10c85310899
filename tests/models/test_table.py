"""The page of what families were measured to hold shows all of them, and nothing that is wrong."""

import numpy as np
import pytest

from tests.models.table import BOUNDS, PAGE, largest
from tests.models.tiny_duals import DUAL
from tests.models.tiny_embedders import EMBEDDERS
from tests.models.tiny_generative import GENERATIVE


def test_the_page_shows_every_tiny_model_with_figures_that_are_in_bounds() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    head, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    shown = [dict(zip(head, row, strict=True)) for row in rows]
    assert [(row["family"], row["tiny model"]) for row in shown] == [
        (made.family, name) for name, made in (GENERATIVE | EMBEDDERS | DUAL).items()
    ]
    for column, bound in BOUNDS.items():
        figures = [row[column].rpartition("layers, ")[2] for row in shown if row[column] != "-"]
        assert all(0 <= float(figure) <= bound for figure in figures)
    assert {row["roles"] for row in shown} == {"right", "-"}


@pytest.mark.parametrize(
    ("difference", "shown"), [(0, "0"), (6.1e-7, "7e-7"), (9.01e-6, "1e-5"), (1e-5, "2e-5"), (2, "2e+0")]
)
def test_a_figure_is_the_largest_difference_rounded_up_to_a_digit(difference: float, shown: str) -> None:
    zero = np.zeros(2)
    assert largest([(zero, zero), (zero, np.array([0, -difference]))]) == shown
