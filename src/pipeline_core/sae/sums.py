"""What compiled loops make of vectors, whose sums may be made in any order: multiples added up, and products."""

import numpy as np
import numpy.typing as npt

from pipeline_core.compiled import in_any_order

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@in_any_order
def add_multiples(total: Floats, values: Floats, whose: Numbers, rows: Floats, start: int, end: int) -> None:
    """Add values[i] * rows[whose[i]] to a total [D], of all i from ``start`` up to ``end``."""
    i = start
    # Four rows at a time: what they are added to is read and written once for all.
    while i + 4 <= end:
        a, b, c, d = values[i], values[i + 1], values[i + 2], values[i + 3]
        of_a, of_b, of_c, of_d = rows[whose[i]], rows[whose[i + 1]], rows[whose[i + 2]], rows[whose[i + 3]]
        for j in range(len(total)):
            total[j] += a * of_a[j] + b * of_b[j] + c * of_c[j] + d * of_d[j]
        i += 4
    while i < end:
        a, of_a = values[i], rows[whose[i]]
        for j in range(len(total)):
            total[j] += a * of_a[j]
        i += 1


@in_any_order
def product(one: Floats, other: Floats) -> np.float32:
    """Return the inner product of two vectors [D]."""
    total = np.float32(0.0)
    for j in range(len(one)):
        total += one[j] * other[j]
    return total
