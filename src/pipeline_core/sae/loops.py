"""The compiled loops behind the largest scores of each row."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core.compiled import compiled, inlined
from pipeline_core.masks import LANES, count, largest_sum, lowest, reaching, without_lowest
from pipeline_core.sae.screening import Bits
from pipeline_core.sae.sums import product

Floats = npt.NDArray[np.floating]
Numbers = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]

_CACHE = 1 << 19
"""Numbers of the features that are multiplied by all rows in turn."""

_NOTED = 1 << 18
"""Scores noted before they are made, or as many as one row has."""

_HALVINGS = 10
"""Times that the scores among which the least wanted lies are halved: by a thousandth of them it may be too low."""

_GROUPS = 2
"""Groups for each score kept from which on the groups' largest scores tell how good the best are."""

_OFF = np.float32(1 / 255)
"""Share of itself that a number may be off by once it is written in bfloat16, a 256th, and a little more."""

_LAST, _INFINITY = 0xFFFFFFFF, 0x7F800000
"""The largest number of a feature, and what orders infinity among float32 numbers."""


@compiled
def largest_of_rows(bias: Floats, scores: Floats, values: Floats, ids: Numbers) -> None:
    """Write the k largest [n, k] of scores [n, S] with their bias; a row of NaN leaves its ``values``."""
    k, width = values.shape[1], scores.shape[1]
    best, whose, places = np.empty(k, scores.dtype), np.empty(k, np.int64), np.empty(width, np.int32)
    # A row's alone, which stays in a cache: written where scores are, all of them would go back to memory.
    own = np.empty(width, scores.dtype)
    whole = width // LANES * LANES
    n_groups = -(-width // LANES)
    # As many as are compared at once; those that are none stay no numbers.
    of_groups = np.full(-(-n_groups // LANES) * LANES, np.nan, scores.dtype)
    # Of few groups the least is too low a limit.
    grouped = n_groups >= _GROUPS * k
    for row in range(len(scores)):
        without = scores[row]
        for start in range(0, whole, LANES):
            of_groups[start // LANES] = largest_sum(without, bias, own, start)
        if whole < width:
            largest = -np.inf
            for i in range(whole, width):
                own[i] = without[i] + bias[i]
                largest = own[i] if own[i] > largest else largest
            of_groups[n_groups - 1] = largest
        if grouped:
            least = _least(of_groups, k)
            noted = _note_of_groups(own, of_groups, least, places)
        else:
            least = _least(own, k)
            noted = _note(own, least, places, 0)
        taken = 0
        for place in places[:noted]:
            taken = _insert_with(own[place], place, best, whose, taken)
        if taken == k:
            values[row], ids[row] = best, whose


@compiled
def largest_screened(
    encoder: Floats,
    bias: Floats,
    offset: Floats,
    groups: int,
    screen: Bits,
    rows: Floats,
    near: Floats,
    values: Floats,
    ids: Numbers,
) -> int:
    """Find the k largest scores [n, k] of rows [n, d] by what bfloat16 numbers tell of them.

    Args:
        encoder: features [S, d].
        bias: of each feature [S].
        offset: what each rounded product leaves out [S].
        groups: as many groups of scores as tell how good the best are.
        screen: bits of the rounded products [n, S].
        rows: as told.
        near: how far a rounded product of each row may be off before it is written as a bfloat16 number [n].
        values: of NaN, as they stay for rows that are no numbers.
        ids: as told.

    Returns:
        How many scores were made.
    """
    (n, k), (width, d) = values.shape, encoder.shape
    some = max(1, _CACHE // d)
    at_most, of_groups, best, made = np.empty(width, np.float32), np.empty(groups, np.float32), np.empty(k, np.int64), 0
    places, bounds, at = np.empty(max(_NOTED, width), np.int32), np.zeros(n + 1, np.int64), np.empty(n, np.int64)
    exact, last = np.empty(len(places), np.float32), 0
    while last < n:
        first, noted = last, 0
        while last < n and noted + width <= len(places):
            at[last] = noted
            least = np.float32(_bound(screen[last], offset, at_most, of_groups, k) - 2 * near[last])
            # Not above what was rounded.
            noted = _note(at_most, np.nextafter(least, np.float32(-np.inf)), places, noted)
            last += 1
            bounds[last] = noted
        bounds[first] = 0
        # What a cache holds of features, for all rows: most are wanted by several.
        for feature in range(0, width, some):
            for row in range(first, last):
                while at[row] < bounds[row + 1] and places[at[row]] < feature + some:
                    wanted = places[at[row]]
                    exact[at[row]] = product(rows[row], encoder[wanted]) + bias[wanted]
                    at[row] += 1
        for row in range(first, last):
            own = slice(bounds[row], bounds[row + 1])
            _keep(exact[own], places[own], best, values[row], ids[row])
        made += noted
    return made


@compiled
def _bound(screen: Bits, offset: Floats, at_most: Floats, of_groups: Floats, k: int) -> float:
    """Write what a row's scores can be at most [S], but for ``near``; return what k of them are at least."""
    of_groups[:] = -np.inf
    for start in range(0, len(screen), len(of_groups)):
        end = start + len(of_groups)
        bits, more, most = screen[start:end], offset[start:end], at_most[start:end]
        for i in range(len(bits)):
            score = np.uint32(np.uint32(np.uint16(bits[i])) << np.uint32(16)).view(np.float32)
            off = np.abs(score) * _OFF
            score += more[i]
            most[i] = score + off
            score -= off
            of_groups[i] = score if score > of_groups[i] else of_groups[i]
    return _least(of_groups, k)


@compiled
def _note(at_most: Floats, least: float, places: Places, n: int) -> int:
    """Note which scores reach a level, behind n others; return how many there are then."""
    for start in range(0, len(at_most), LANES):
        n = _note_next(at_most, start, least, places, n)
    return n


@inlined
def _note_of_groups(scores: Floats, of_groups: Floats, least: float, places: Places) -> int:
    """Note which scores reach a level, looking at groups whose largest does; return how many there are."""
    n = 0
    for first in range(0, len(of_groups), LANES):
        groups = reaching(of_groups, first, least)
        while groups:
            start = (first + lowest(groups)) * LANES
            groups = without_lowest(groups)
            n = _note_next(scores, start, least, places, n)
    return n


@inlined
def _note_next(scores: Floats, start: int, least: float, places: Places, n: int) -> int:
    """Note which of the next scores reach a level, behind n others; return how many there are then."""
    reached = reaching(scores, start, least)
    while reached:
        places[n] = start + lowest(reached)
        n += 1
        reached = without_lowest(reached)
    return n


@compiled
def _keep(scores: Floats, features: Places, best: Numbers, values: Floats, ids: Numbers) -> None:
    """Write the largest scores and whose they are, unless there are too few or one is no number."""
    taken, k = 0, len(best)
    for score, feature in zip(scores, features):  # noqa: B905 -- numba knows no strict
        # Of equals the first feature is the largest. Minus zero is zero.
        order = _ordered(np.float32(score + np.float32(0.0)).view(np.int32)) << 32 | (_LAST - feature)
        taken = _insert(order, best, taken)
    if taken == k and best[0] >> 32 <= _INFINITY:
        for i in range(k):
            values[i] = np.int32(_ordered(np.int32(best[i] >> 32))).view(np.float32)
            ids[i] = _LAST - (best[i] & _LAST)


@inlined
def _least(of_groups: Floats, k: int) -> float:
    """Return a number that k scores reach, and little less than the k-th largest of the groups' largest scores."""
    low, high = of_groups.dtype.type(np.inf), of_groups.dtype.type(-np.inf)
    for score in of_groups:
        # Not min() and max(): what is no number is passed over.
        low, high = score if score < low else low, score if score > high else high
    for _ in range(_HALVINGS):
        middle, reached = of_groups.dtype.type(low / 2 + high / 2), 0
        for start in range(0, len(of_groups), LANES):
            reached += count(reaching(of_groups, start, middle))
        if reached >= k:
            low = middle
        else:
            high = middle
    return float(low)


@inlined
def _insert(one: Any, best: Any, taken: int) -> int:
    """Put one into its place among the best, behind its equals; return how many there are."""
    k = len(best)
    if taken == k and one <= best[k - 1]:
        return taken
    place = min(taken, k - 1)
    while place > 0 and best[place - 1] < one:
        best[place] = best[place - 1]
        place -= 1
    best[place] = one
    return min(taken + 1, k)


@inlined
def _ordered(bits: np.int32) -> np.int64:
    # In the order of the numbers: those of negative ones run the other way; and back.
    return np.int64(bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@inlined
def _insert_with(score: float, number: int, best: Floats, whose: Numbers, taken: int) -> int:
    """Put a score into its place among the best, behind its equals; return how many there are."""
    k = len(best)
    if taken == k and score <= best[k - 1]:
        return taken
    place = min(taken, k - 1)
    while place > 0 and best[place - 1] < score:
        best[place], whose[place] = best[place - 1], whose[place - 1]
        place -= 1
    best[place], whose[place] = score, number
    return min(taken + 1, k)
